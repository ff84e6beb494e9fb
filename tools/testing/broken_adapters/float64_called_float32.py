"""Sends float64 and calls it float32."""

import array

from honest import Adapter


class Float64CalledFloat32(Adapter):
    def encode(self, values):
        return array.array("d", values).tobytes()


Float64CalledFloat32().serve()
