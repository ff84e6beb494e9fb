"""Claims a dtype that does not exist."""

from honest import Adapter


class UnknownClaim(Adapter):
    def start(self, request, payload):
        reply, sent = super().start(request, payload)
        return {**reply, "dtypes": ["float32"]}, sent


UnknownClaim().serve()
