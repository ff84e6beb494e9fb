"""Chainer's dropout on CPU, judged by dropcheck.

    dropcheck run --backend="exec:python3 chainer_adapter.py"

Chainer has one form, chainer.functions.dropout, and takes its random numbers from NumPy's global generator.
"""

import os
import sys

import chainer
import numpy as np

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import Result, serve  # noqa: E402


def backward(saved, dy):
    leaf, y = saved
    (dx,) = chainer.grad([y], [leaf], [chainer.Variable(dy)])
    return dx.array


@serve(
    name="chainer",
    implementation_version=chainer.__version__,
    library=f"chainer {chainer.__version__}, numpy {np.__version__}",
    dtypes=["f32", "f64", "f16"],
    reseed=np.random.seed,
    seed_bits=32,
    backward=backward,
    tensors="numpy",
    notes=["the number of threads is one: the function is written in NumPy"],
)
def dropout(x, p, train):
    leaf = chainer.Variable(x)
    with chainer.using_config("train", train):
        y = chainer.functions.dropout(leaf, ratio=p)
    return Result(y=y.array, saved=(leaf, y))
