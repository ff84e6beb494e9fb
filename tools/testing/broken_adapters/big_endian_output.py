"""Writes elements with their bytes in reverse, and reads them as they are."""

import array

from honest import Adapter


class BigEndianOutput(Adapter):
    def encode(self, values):
        swapped = array.array("f", values)
        swapped.byteswap()
        return swapped.tobytes()


BigEndianOutput().serve()
