"""PyTorch's dropout, judged by dropcheck.

    dropcheck run --backend="exec:python3 torch_adapter.py --form=layer"

--form=functional   torch.nn.functional, for example F.dropout2d (the default)
--form=layer        torch.nn modules, for example nn.Dropout2d
--form=operator     the operators below both: torch.dropout, torch.feature_dropout, torch.alpha_dropout and
                    torch.feature_alpha_dropout, of any rank
--mode=eager|compile   compile: through torch.compile with its default settings
"""

import argparse
import os
import sys

import torch

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import Result, serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--form", choices=("functional", "layer", "operator"), default="functional")
parser.add_argument("--mode", choices=("eager", "compile"), default="eager")
choice = parser.parse_args()

FUNCTIONS = {
    "dropout": torch.nn.functional.dropout,
    "dropout1d": torch.nn.functional.dropout1d,
    "dropout2d": torch.nn.functional.dropout2d,
    "dropout3d": torch.nn.functional.dropout3d,
    "alpha_dropout": torch.nn.functional.alpha_dropout,
    "feature_alpha_dropout": torch.nn.functional.feature_alpha_dropout,
}
LAYERS = {
    "dropout": torch.nn.Dropout,
    "dropout1d": torch.nn.Dropout1d,
    "dropout2d": torch.nn.Dropout2d,
    "dropout3d": torch.nn.Dropout3d,
    "alpha_dropout": torch.nn.AlphaDropout,
    "feature_alpha_dropout": torch.nn.FeatureAlphaDropout,
}
OPERATORS = {  # of the operator, and of the one that works in place
    "dropout": (torch.dropout, torch.dropout_),
    "dropout1d": (torch.feature_dropout, torch.feature_dropout_),
    "dropout2d": (torch.feature_dropout, torch.feature_dropout_),
    "dropout3d": (torch.feature_dropout, torch.feature_dropout_),
    "alpha_dropout": (torch.alpha_dropout, torch.alpha_dropout_),
    "feature_alpha_dropout": (torch.feature_alpha_dropout, torch.feature_alpha_dropout_),
}
# Other ranks mean something else in Python: Dropout1d reads two dimensions as (C, L), Dropout2d refuses none.
BATCHED_RANKS = {"dropout1d": 3, "dropout2d": 4, "dropout3d": 5}

if choice.mode == "compile":
    # A program with many p and shapes would otherwise fall back to the eager kernel after 8 compilations.
    torch._dynamo.config.recompile_limit = 1 << 20
    torch._dynamo.config.accumulated_recompile_limit = 1 << 20
    torch._dynamo.config.fail_on_recompile_limit_hit = True

compiled = {}


def callable_for(op, p, train, in_place):
    """What a user would call on x."""
    if choice.form == "layer":
        return LAYERS[op](p, in_place).train(train)
    if choice.form == "operator":
        operator = OPERATORS[op][in_place]
        return lambda x: operator(x, p, train)
    function = FUNCTIONS[op]
    return lambda x: function(x, p, train, in_place)


def compiled_for(*key):
    """The same, compiled once; p and the flags are constants, as in a model."""
    if key not in compiled:
        compiled[key] = torch.compile(callable_for(*key))
    return compiled[key]


@serve(
    name=f"torch-{choice.form}" + ("-compile" if choice.mode == "compile" else ""),
    implementation_version=torch.__version__,
    library="torch " + torch.__version__,
    ops=list(FUNCTIONS),
    dtypes=["f32", "f64", "f16", "bf16"],
    reseed=torch.manual_seed,
    seed_bits=32,  # the CPU generator takes no more of a seed
    backward="autograd",
    refuses=(ValueError, RuntimeError),
    notes=[
        f"form {choice.form}, {choice.mode}, {torch.get_num_threads()} threads",
        "other ranks than (N, C, ...) of the channel operators are asked of --form=operator only",
    ],
)
def dropout(x, op, p, train, in_place):
    if choice.form != "operator" and x.dim() != BATCHED_RANKS.get(op, x.dim()):
        raise NotImplementedError(f"{op} of torch.nn and the operator differ in rank {x.dim()}")
    version = x._version
    make = compiled_for if choice.mode == "compile" else callable_for
    y = make(op, p, train, in_place)(x)
    return Result(y=y, version_delta=x._version - version)
