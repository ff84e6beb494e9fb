"""Skips every call."""

from honest import Adapter


class SkipsEverything(Adapter):
    def run(self, request, payload):
        return {"skipped": True, "message": "on holiday"}, b""


SkipsEverything().serve()
