"""MXNet's Dropout on CPU, judged by dropcheck.

    dropcheck run --backend="exec:python3 mxnet_adapter.py --form=layer"

--form=functional   mx.nd.Dropout (the default)
--form=layer        mx.gluon.nn.Dropout
--form=np           mx.npx.dropout with NumPy semantics (mx.npx.set_np), which know empty tensors and scalars

The channel operators are Dropout with axes, which name the dimensions along which the mask is the same.
"""

import argparse
import os
import sys

import mxnet as mx

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import Result, serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--form", choices=("functional", "layer", "np"), default="functional")
choice = parser.parse_args()

if choice.form == "np":
    mx.npx.set_np()
array = mx.np.array if choice.form == "np" else mx.nd.array

AXES = {"dropout": (), "dropout1d": (2,), "dropout2d": (2, 3), "dropout3d": (2, 3, 4)}
RANKS = {"dropout1d": 3, "dropout2d": 4, "dropout3d": 5}  # that the axes belong to


def callable_for(op, p):
    if choice.form == "layer":
        return mx.gluon.nn.Dropout(p, axes=AXES[op])
    function = mx.npx.dropout if choice.form == "np" else mx.nd.Dropout
    return lambda x: function(x, p=p, axes=AXES[op])


def backward(saved, dy):
    leaf, y = saved
    y.backward(array(dy, dtype=dy.dtype), retain_graph=True)
    return leaf.grad.asnumpy()


@serve(
    name=f"mxnet-{choice.form}",
    implementation_version=mx.__version__,
    library=f"mxnet {mx.__version__}",
    ops=list(AXES),
    dtypes=["f32", "f64", "f16"],
    reseed=mx.random.seed,
    backward=backward,
    tensors="numpy",
    refuses=(ValueError, mx.MXNetError),
    notes=[f"form {choice.form}, the package's default threads", "channel operators: Dropout with axes"],
)
def dropout(x, op, p, train):
    if x.ndim != RANKS.get(op, x.ndim):
        raise NotImplementedError(f"these axes are not those of a tensor of rank {x.ndim}")
    if choice.form != "np" and (x.ndim == 0 or x.size == 0):
        raise NotImplementedError("without NumPy semantics an extent of 0 and rank 0 mean an unknown shape")
    leaf = array(x, dtype=x.dtype)
    leaf.attach_grad()
    with mx.autograd.record(train_mode=train):
        y = callable_for(op, p)(leaf)
    return Result(y=y.asnumpy(), saved=(leaf, y))
