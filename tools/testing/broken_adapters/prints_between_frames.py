"""Prints to standard output before each reply to a run."""

from honest import Adapter


class PrintsBetweenFrames(Adapter):
    def run(self, request, payload):
        print("dropping with p =", request["p"], flush=True)
        return super().run(request, payload)


PrintsBetweenFrames().serve()
