"""Computes in float64 and sends that, and says so."""

import array

from honest import Adapter


class Float64ForFloat32(Adapter):
    def output(self, name, shape, y, mask):
        described, data = super().output(name, shape, y, mask)
        if name == "y":
            return {**described, "dtype": "f64"}, array.array("d", y).tobytes()
        return described, data


Float64ForFloat32().serve()
