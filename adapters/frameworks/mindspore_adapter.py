"""MindSpore's dropouts on CPU, judged by dropcheck.

    dropcheck run --backend="exec:python3 mindspore_adapter.py --form=layer"

--form=functional         mindspore.ops.dropout (the default)
--form=layer              mindspore.nn.Dropout. A layer takes its seed when it is made, so a seed means
                          mindspore.set_seed and new layers, one for each p.
--form=channel            mindspore.ops.dropout1d, dropout2d and dropout3d, which have no seed
--form=channel-layer      mindspore.nn.Dropout1d, Dropout2d and Dropout3d, which have none either

The operators of mindspore.mint have no CPU kernel.
"""

import argparse
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import Result, serve, take_standard_streams  # noqa: E402

take_standard_streams()  # the import may print

import mindspore  # noqa: E402
from mindspore import Tensor, nn, ops  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
forms = ("functional", "layer", "channel", "channel-layer")
parser.add_argument("--form", choices=forms, default="functional")
choice = parser.parse_args()

FUNCTIONS = {"dropout1d": ops.dropout1d, "dropout2d": ops.dropout2d, "dropout3d": ops.dropout3d}
LAYERS = {"dropout1d": nn.Dropout1d, "dropout2d": nn.Dropout2d, "dropout3d": nn.Dropout3d}
RANKS = {"dropout1d": 3, "dropout2d": 4, "dropout3d": 5}  # others mean something else or are refused
seeded = choice.form in ("functional", "layer")
layers = {}


def reseed(seed):
    mindspore.set_seed(seed)
    layers.clear()


def callable_for(op, p, train):
    """What a user would call on x."""
    if choice.form == "functional":
        return lambda x: ops.dropout(x, p=p, training=train)
    if choice.form == "channel":
        return lambda x: FUNCTIONS[op](x, p=p, training=train)
    if (op, p) not in layers:
        layers[op, p] = nn.Dropout(p=p) if op == "dropout" else LAYERS[op](p=p)
    return layers[op, p].set_train(train)


def backward(saved, dy):
    if saved.get("used"):
        raise NotImplementedError("a second call of a vjp function draws a new mask, as MindSpore warns")
    saved["used"] = True
    return saved["vjp"](Tensor(dy))[0].asnumpy()


@serve(
    name=f"mindspore-{choice.form}",
    implementation_version=mindspore.__version__,
    library=f"mindspore {mindspore.__version__}",
    ops=["dropout"] if seeded else list(FUNCTIONS),
    dtypes=["f32", "f64", "f16"],
    seed_semantics="stateful" if seeded else "none",
    reseed=reseed if seeded else None,
    seed_bits=32,
    backward=backward,
    tensors="numpy",
    refuses=(ValueError, RuntimeError),
    notes=[f"form {choice.form}, the package's default threads", "a gradient is mindspore.vjp, called once"],
)
def dropout(x, op, p, train, save):
    if x.ndim != RANKS.get(op, x.ndim):
        raise NotImplementedError(f"MindSpore's {op} takes no batch of channels of rank {x.ndim}")
    function, leaf = callable_for(op, p, train), Tensor(x)
    if not save:
        y = function(leaf)
        return Result(y=y.asnumpy(), aliases_input=y is leaf)
    y, vjp = mindspore.vjp(function, leaf)
    return Result(y=y.asnumpy(), saved={"vjp": vjp})
