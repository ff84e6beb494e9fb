"""Drops in evaluation, too."""

from honest import Adapter


class DropsInEvaluation(Adapter):
    def run(self, request, payload):
        return super().run({**request, "train": True}, payload)


DropsInEvaluation().serve()
