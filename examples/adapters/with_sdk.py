"""A dropout with gradients, judged by dropcheck: dropcheck run --backend="exec:python3 with_sdk.py"

The adapter is one file; copy it beside yours, and the line with sys.path goes.
"""

import os
import random
import sys
from array import array

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "adapters", "python"))
from dropcheck_adapter import serve  # noqa: E402


def rounded(value, code):
    """The value as an element of an array of that type has it."""
    return array(code, [value])[0]


@serve(name="with-sdk-python", dtypes=["f32", "f64"], mask=True)
class Dropout:
    """Drops each element with probability p and multiplies the others by 1 / (1 - p)."""

    def forward(self, x, p, train, seed):
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], not {p}")
        self.mask = array("B", [1]) * len(x)
        self.scale = 1.0
        if not train or p == 0:
            return x, self.mask
        uniform = random.Random(seed).random
        self.mask = array("B", [uniform() >= p for _ in x])
        self.scale = rounded(1 / rounded(1 - p, x.typecode), x.typecode) if p < 1 else 0.0
        return self.masked(x), self.mask

    def backward(self, dy):
        return self.masked(dy)

    def masked(self, values):
        """A dropped element is multiplied by 0, so that NaN stays NaN and -1 becomes -0."""
        scaled = (v * (self.scale if keep else 0.0) for v, keep in zip(values, self.mask))
        return array(values.typecode, scaled)
