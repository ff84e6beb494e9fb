"""Never seeds its generator, though it claims that seeds reset it."""

from honest import Adapter


class IgnoresSeed(Adapter):
    def reseed(self, seed):
        pass


IgnoresSeed().serve()
