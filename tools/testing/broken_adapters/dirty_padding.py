"""Sets the bits behind the last of a packed mask."""

from honest import Adapter


class DirtyPadding(Adapter):
    def packed(self, mask):
        return super().packed(mask + [1] * (-len(mask) % 8))


DirtyPadding().serve()
