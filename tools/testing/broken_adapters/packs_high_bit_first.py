"""Packs masks most significant bit first, as numpy.packbits does unless it is told otherwise."""

from honest import Adapter


class PacksHighBitFirst(Adapter):
    def bit_of(self, i):
        return 7 - i % 8


PacksHighBitFirst().serve()
