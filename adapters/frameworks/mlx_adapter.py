"""MLX's dropout layers on CPU, judged by dropcheck.

    dropcheck run --backend="exec:python3 mlx_adapter.py"

MLX has layers only: mlx.nn.Dropout, Dropout2d and Dropout3d. The latter two expect the channels last, so x is
transposed on its way in and y on its way out.
"""

import os
import sys
from importlib.metadata import version

import mlx.core as mx
import mlx.nn as nn
import numpy as np

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import serve  # noqa: E402

mx.set_default_device(mx.cpu)
LAYERS = {"dropout": nn.Dropout, "dropout2d": nn.Dropout2d, "dropout3d": nn.Dropout3d}
RANKS = {"dropout2d": 4, "dropout3d": 5}  # one less means a tensor without a batch dimension


def to_mlx(value, dtype):
    if dtype == "bf16":
        return mx.array(value.view(np.uint16)).view(mx.bfloat16)
    return mx.array(value, dtype=mx.float64 if dtype == "f64" else None)  # f64 becomes f32 otherwise


def to_numpy(value, dtype):
    return np.array(value.view(mx.uint16)) if dtype == "bf16" else np.array(value)


def key_in_force():
    """The state of mx.random, as a seed that sets it: mx.random.seed splits a number into these halves."""
    high, low = (int(half) for half in np.array(mx.random.state[0]))
    return high << 32 | low


def channels_last(value):
    return mx.moveaxis(value, 1, -1)


def channels_second(value):
    return mx.moveaxis(value, -1, 1)


@serve(
    name="mlx",
    implementation_version=version("mlx"),
    library=f"mlx {version('mlx')}",
    ops=list(LAYERS),
    dtypes=["f32", "f64", "f16", "bf16"],
    reseed=mx.random.seed,
    tensors="numpy",
    notes=[
        "dropout2d and dropout3d: x is transposed to channels last and y back, as the documentation asks",
        "a gradient is mx.vjp of the layer, run with the key that the forward pass had",
    ],
)
class Dropout:
    def forward(self, x, op, p, train, dtype):
        if x.ndim != RANKS.get(op, x.ndim):
            raise NotImplementedError(f"MLX's {op} takes no batch of channels of rank {x.ndim}")
        layer = LAYERS[op](p)
        layer.train(train)
        self.op, self.dtype, self.key, self.x = op, dtype, key_in_force(), to_mlx(x, dtype)
        self.function = layer if op == "dropout" else lambda x: channels_second(layer(channels_last(x)))
        return to_numpy(self.function(self.x), dtype)

    def backward(self, dy):
        """mx.vjp takes dy together with x, so the layer runs once more, with the same random numbers."""
        later = key_in_force()
        mx.random.seed(self.key)
        _, (dx,) = mx.vjp(self.function, [self.x], [to_mlx(dy, self.dtype)])
        mx.eval(dx)
        mx.random.seed(later)
        return to_numpy(dx, self.dtype)
