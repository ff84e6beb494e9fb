"""Begins its stream again with each call, though it claims to continue it."""

from honest import Adapter


class ReseedsEveryCall(Adapter):
    last_seed = 0

    def reseed(self, seed):
        if seed is not None:
            self.last_seed = seed
        self.generator.seed(self.last_seed)


ReseedsEveryCall().serve()
