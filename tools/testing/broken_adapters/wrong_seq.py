"""Replies with the number of the next request."""

from honest import Adapter


class WrongSeq(Adapter):
    def seq_of(self, request):
        return request["seq"] + 1


WrongSeq().serve()
