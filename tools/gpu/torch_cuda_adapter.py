"""PyTorch's dropout on a CUDA device, judged by dropcheck. In eager mode it claims PyTorch's stream as
docs/streams.md has it for this device: the suite exact_stream then compares every bit with that recipe.

    dropcheck run --backend="exec:python3 torch_cuda_adapter.py --mode=eager --vec=8"
"""

import argparse
import os
import sys

import torch

for folder in (os.path.dirname(os.path.abspath(__file__)),):
    sys.path += [folder, os.path.join(folder, "..", "..", "adapters", "python")]
from dropcheck_adapter import serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--mode", choices=("eager", "compile"), default="eager")
parser.add_argument("--vec", choices=("8", "4", "none"), default="8", help="the rule of vectors that is claimed")
parser.add_argument("--device", default="cuda", help="cpu tries this program out and claims no stream")
choice = parser.parse_args()

on_gpu = choice.device.startswith("cuda")
if on_gpu and not torch.cuda.is_available():
    sys.exit("this PyTorch sees no CUDA device")

stream, notes = "", [f"{choice.mode}, on {choice.device}"]
if on_gpu:
    facts = torch.cuda.get_device_properties(choice.device)
    notes.append(f"{facts.name}, {facts.multi_processor_count} multiprocessors, CUDA {torch.version.cuda}")
    if choice.mode == "eager" and choice.vec != "none":
        stream = (f"pytorch-cuda?sm={facts.multi_processor_count}"
                  f"&threads={facts.max_threads_per_multi_processor}&vec={choice.vec}")

OPERATORS = {
    "dropout": (torch.dropout, torch.dropout_),
    "dropout1d": (torch.feature_dropout, torch.feature_dropout_),
    "dropout2d": (torch.feature_dropout, torch.feature_dropout_),
    "dropout3d": (torch.feature_dropout, torch.feature_dropout_),
    "alpha_dropout": (torch.alpha_dropout, torch.alpha_dropout_),
    "feature_alpha_dropout": (torch.feature_alpha_dropout, torch.feature_alpha_dropout_),
}

compiled = {}
if choice.mode == "compile":
    # A program with many p and shapes would otherwise fall back to the eager kernel after 8 compilations.
    for name in ("recompile_limit", "accumulated_recompile_limit", "cache_size_limit", "accumulated_cache_size_limit"):
        if hasattr(torch._dynamo.config, name):
            setattr(torch._dynamo.config, name, 1 << 20)


def function_of(*key):
    """The operator with its constants, compiled once where that is asked for."""
    if key not in compiled:
        op, p, train, in_place = key
        operator = OPERATORS[op][in_place]

        def plain(x):
            return operator(x, p, train)

        compiled[key] = torch.compile(plain) if choice.mode == "compile" else plain
    return compiled[key]


@serve(
    name=f"torch-{choice.device}" + ("-compile" if choice.mode == "compile" else ""),
    implementation_version=torch.__version__,
    library="torch " + torch.__version__,
    device=choice.device,
    ops=list(OPERATORS) if choice.mode == "eager" else ["dropout"],
    dtypes=["f32", "f64", "f16", "bf16"],
    reseed=torch.manual_seed,
    seed_bits=64 if on_gpu else 32,
    backward="autograd",
    refuses=(ValueError, RuntimeError),
    exact_stream=stream,
    notes=notes,
)
def dropout(x, op, p, train, in_place):
    return function_of(op, p, train, in_place)(x)
