"""Sends masks in which 1 stands for dropped."""

from honest import Adapter


class InvertedMask(Adapter):
    def mask_bytes(self, mask):
        return bytes(1 - keep for keep in mask)

    def packed(self, mask):
        return super().packed([1 - keep for keep in mask])


InvertedMask().serve()
