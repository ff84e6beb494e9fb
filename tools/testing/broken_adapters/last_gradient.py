"""Answers every backward with the mask of the last call."""

from honest import Adapter


class LastGradient(Adapter):
    def backward(self, request, payload):
        known = request["saved"] in self.saved
        return super().backward({**request, "saved": self.last_saved if known else request["saved"]}, payload)


LastGradient().serve()
