"""ADAPTER_NAME, to be judged by dropcheck. Replace what `dropout` does by a call of your own."""

import random
from array import array

from dropcheck_adapter import serve


def rounded(value):
    """The value as a 32-bit float."""
    return array("f", [value])[0]


@serve(name="ADAPTER_NAME", dtypes=["f32"])
def dropout(x, p, train, seed):
    """x is a flat array of floats; an array of NumPy or a tensor of torch if you import one of them above."""
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], not {p}")
    if not train or p == 0:
        return x
    draw = random.Random(seed).random
    scale = rounded(1 / rounded(1 - p)) if p < 1 else 0.0
    return array("f", [v * (scale if draw() >= p else 0.0) for v in x])
