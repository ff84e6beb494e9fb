"""Reads and writes elements with their bytes in reverse."""

import array

from honest import Adapter


class BigEndian(Adapter):
    def decode(self, data):
        values = array.array("f", data)
        values.byteswap()
        return values.tolist()

    def encode(self, values):
        swapped = array.array("f", values)
        swapped.byteswap()
        return swapped.tobytes()


BigEndian().serve()
