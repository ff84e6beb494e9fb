"""tinygrad's Tensor.dropout on CPU, judged by dropcheck.

    dropcheck run --backend="exec:python3 tinygrad_adapter.py"

tinygrad has one form, Tensor.dropout under TRAINING=1. It compiles a kernel for each p and shape, with clang
(or what the environment variable CC names); without one, tinygrad's own x86 assembler is used (DEV=CPU:X86).

--default-float=f32|f16|bf16   tinygrad's DEFAULT_FLOAT, the type in which dropout draws its uniform numbers
"""

import argparse
import os
import shutil
import sys

import numpy as np

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import Result, serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--default-float", choices=("f32", "f16", "bf16"), default="f32")
choice = parser.parse_args()

os.environ.setdefault("DEV", "CPU" if shutil.which(os.environ.get("CC", "clang")) else "CPU:X86")
os.environ["DEFAULT_FLOAT"] = {"f32": "FLOAT32", "f16": "FLOAT16", "bf16": "BFLOAT16"}[choice.default_float]

from importlib.metadata import version  # noqa: E402

from tinygrad import Context, Tensor, dtypes  # noqa: E402


def to_tinygrad(value, dtype):
    if dtype == "bf16":
        return Tensor(value.view(np.uint16)).realize().bitcast(dtypes.bfloat16)
    return Tensor(value).realize()


def to_numpy(value, dtype):
    return value.bitcast(dtypes.uint16).numpy() if dtype == "bf16" else value.numpy()


def backward(saved, dy):
    leaf, y, dtype = saved
    (dx,) = y.gradient(leaf, gradient=to_tinygrad(dy, dtype))
    return to_numpy(dx, dtype)


@serve(
    name="tinygrad" + ("" if choice.default_float == "f32" else f"-default-{choice.default_float}"),
    implementation_version=version("tinygrad"),
    library=f"tinygrad {version('tinygrad')}",
    dtypes=["f32", "f64", "f16", "bf16"],
    reseed=Tensor.manual_seed,
    backward=backward,
    tensors="numpy",
    notes=[f"DEV={os.environ['DEV']}, DEFAULT_FLOAT={os.environ['DEFAULT_FLOAT']}"],
)
def dropout(x, p, train, dtype):
    leaf = to_tinygrad(x, dtype)
    with Context(TRAINING=int(train)):
        y = leaf.dropout(p)  # y is not realized: a realized tensor has forgotten how it was made
    return Result(y=to_numpy(y, dtype), saved=(leaf, y, dtype), aliases_input=y is leaf)
