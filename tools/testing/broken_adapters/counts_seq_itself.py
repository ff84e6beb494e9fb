"""Numbers its replies itself instead of repeating the number of the request."""

from honest import Adapter


class CountsSeqItself(Adapter):
    replies = -1

    def seq_of(self, request):
        self.replies += 1
        return self.replies


CountsSeqItself().serve()
