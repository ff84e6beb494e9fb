"""Claims something under a name that nobody reads."""

from honest import Adapter


class MisspeltClaim(Adapter):
    seed_semantics = "none"

    def start(self, request, payload):
        reply, sent = super().start(request, payload)
        return {**reply, "dtype": ["f32", "f16"]}, sent


MisspeltClaim().serve()
