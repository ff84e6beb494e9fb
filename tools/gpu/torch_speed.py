"""Times PyTorch's dropout against copies of the same bytes, in one run. Prints JSON Lines.

Exit code 2: this PyTorch sees no CUDA device.
"""

import argparse
import json
import statistics
import sys

import torch

DTYPES = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
RUNS = 10


def milliseconds(run, rounds):
    """Of one run: the median of several measurements of many runs each."""
    for _ in range(3):
        run()
    times = []
    for _ in range(rounds):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(RUNS):
            run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / RUNS)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print(json.dumps({"what": "no device", "text": "this PyTorch sees no CUDA device"}))
        return 2
    print(json.dumps({"what": "torch", "version": torch.__version__, "device": torch.cuda.get_device_name()}))
    with torch.no_grad():
        for name, dtype in DTYPES.items():
            for size in (1 << 24, 1 << 29):
                x = torch.ones(size // dtype.itemsize, dtype=dtype, device="cuda")
                y = torch.empty_like(x)
                copy = milliseconds(lambda: y.copy_(x), options.rounds)
                native = milliseconds(lambda: torch.native_dropout(x, 0.3, True), options.rounds)
                print(json.dumps({"what": "torch speed", "dtype": name, "bytes": size, "copy_ms": copy,
                                  "native_dropout_ms": native, "of_copy": copy / native}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
