"""Cuts seeds to 32 bits without saying so."""

from honest import Adapter


class SeedsOf32Bits(Adapter):
    def reseed(self, seed):
        super().reseed(None if seed is None else seed & 0xFFFFFFFF)


SeedsOf32Bits().serve()
