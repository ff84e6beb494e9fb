"""PaddlePaddle's dropouts on CPU, judged by dropcheck.

    dropcheck run --backend="exec:python3 paddle_adapter.py --form=layer --mode=downscale_in_infer"

--form=functional   paddle.nn.functional, for example F.dropout2d (the default)
--form=layer        paddle.nn layers, for example nn.Dropout2D
--mode=upscale_in_train     kept elements are divided by 1 - p in training (the default)
--mode=downscale_in_infer   all elements are multiplied by 1 - p in evaluation; F.dropout and nn.Dropout only
"""

import argparse
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import Result, serve, take_standard_streams  # noqa: E402

take_standard_streams()  # the import may print

import numpy as np  # noqa: E402
import paddle  # noqa: E402
import paddle.nn.functional as F  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--form", choices=("functional", "layer"), default="functional")
parser.add_argument("--mode", choices=("upscale_in_train", "downscale_in_infer"), default="upscale_in_train")
choice = parser.parse_args()

FUNCTIONS = {
    "dropout1d": F.dropout1d,
    "dropout2d": F.dropout2d,
    "dropout3d": F.dropout3d,
    "alpha_dropout": F.alpha_dropout,
    "feature_alpha_dropout": F.feature_alpha_dropout,
}
LAYERS = {
    "dropout2d": paddle.nn.Dropout2D,
    "dropout3d": paddle.nn.Dropout3D,
    "alpha_dropout": paddle.nn.AlphaDropout,
    "feature_alpha_dropout": paddle.nn.FeatureAlphaDropout,
}
RANKS = {"dropout1d": 3, "dropout2d": 4, "dropout3d": 5}  # others mean something else or are refused
# The operators without a CPU kernel for a half type; Paddle reports them as a RuntimeError.
NOT_IN_F16 = ("dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
NOT_IN_BF16 = ("alpha_dropout", "feature_alpha_dropout")


def callable_for(op, p, train, in_place):
    """What a user would call on x."""
    if op == "dropout":
        if choice.form == "layer":
            layer = paddle.nn.Dropout(p, mode=choice.mode, inplace=in_place)
        else:
            return lambda x: F.dropout(x, p, training=train, inplace=in_place, mode=choice.mode)
    elif choice.form == "layer":
        layer = LAYERS[op](p)
    else:
        return lambda x: FUNCTIONS[op](x, p, training=train)
    layer.train() if train else layer.eval()
    return layer


def backward(saved, dy):
    leaf, y = saved
    (dx,) = paddle.grad([y], [leaf], [paddle.to_tensor(dy)], retain_graph=True)
    return dx.numpy()


other_ops = list(LAYERS if choice.form == "layer" else FUNCTIONS)
if choice.mode == "downscale_in_infer":
    other_ops = []  # they have no mode


@serve(
    name=f"paddle-{choice.mode.replace('_', '-')}-{choice.form}",
    implementation_version=paddle.__version__,
    library=f"paddlepaddle {paddle.__version__}",
    ops=["dropout"] + other_ops,
    dtypes=["f32", "f64", "f16", "bf16"],
    reseed=paddle.seed,
    backward=backward,
    tensors="numpy",
    notes=[f"form {choice.form}, mode {choice.mode}, the package's default threads"],
)
def dropout(x, op, p, train, in_place, save, dtype):
    if (dtype == "f16" and op in NOT_IN_F16) or (dtype == "bf16" and op in NOT_IN_BF16):
        raise NotImplementedError(f"Paddle has no CPU kernel for {op} in {dtype}")
    if x.ndim != RANKS.get(op, x.ndim):
        raise NotImplementedError(f"Paddle's {op} takes no batch of channels of rank {x.ndim}")
    if in_place and op != "dropout":
        raise NotImplementedError(f"Paddle's {op} does not work in place")
    leaf = paddle.to_tensor(x, stop_gradient=not save)
    # A leaf that needs a gradient cannot be written to, so in place its copy is.
    y = callable_for(op, p, train, in_place)(leaf.clone() if in_place and save else leaf)
    if in_place:
        np.copyto(x, y.numpy())
    return Result(y=y.numpy(), saved=(leaf, y), aliases_input=in_place or y is leaf)
