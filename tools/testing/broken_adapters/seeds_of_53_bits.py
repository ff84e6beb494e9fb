"""Reads seeds as JavaScript's JSON.parse does, as floating-point numbers."""

from honest import Adapter


class SeedsOf53Bits(Adapter):
    def reseed(self, seed):
        super().reseed(None if seed is None else int(float(seed)))


SeedsOf53Bits().serve()
