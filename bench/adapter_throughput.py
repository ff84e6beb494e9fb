#!/usr/bin/env python3
"""How fast tensors go through the Python adapter and its pipes, in MiB of f32 input a second.

Three kinds of request, repeated; the medians are printed: a tensor there and back in a frame of the given
size; a constant input of that size with a packed mask back; small calls. The kernel is NumPy's: `identity`
shows what the pipe and the adapter cost, `dropout` draws a mask. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, Optional

EMPTY = bytearray()
ADAPTERS = Path(__file__).resolve().parent.parent / "adapters" / "python"
PROGRAM = f"""
import sys
sys.path.insert(0, {str(ADAPTERS)!r})
import numpy as np
from dropcheck_adapter import serve

KERNEL = sys.argv[1]
ones = {{}}

def identity(x, p, seed, want):
    if "y" in want:
        return x, None
    if x.size not in ones:
        ones[x.size] = np.ones(x.shape, dtype=bool)
    return None, ones[x.size]

def dropout(x, p, seed, want):
    mask = np.random.Generator(np.random.SFC64(seed)).random(x.shape, dtype=np.float32) >= p
    return x * mask * np.float32(1 / (1 - p)) if "y" in want else None, mask

@serve(name=KERNEL, mask=True)
def kernel(x, p, seed, want):
    return (identity if KERNEL == "identity" else dropout)(x, p, seed, want)
"""


class Child:
    """The adapter as dropcheck runs it: a process with pipes."""

    def __init__(self, kernel: str) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, "-c", PROGRAM, kernel], stdin=pipe, stdout=pipe)
        self._seq = 0
        self.ask({"cmd": "start", "version": 1})

    def ask(self, request: Dict[str, Any], payload: Optional[bytes] = None, into: bytearray = EMPTY) -> None:
        """One request and its reply, whose bytes go into `into`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._seq += 1
        nbytes = {} if payload is None else {"nbytes": len(payload)}
        self._process.stdin.write(json.dumps({**request, "seq": self._seq, **nbytes}).encode() + b"\n")
        if payload is not None:
            self._process.stdin.write(payload)
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        if reply.get("errored") or reply.get("skipped"):
            sys.exit(f"the adapter answered {reply}")
        count = reply.get("nbytes", 0)
        if self._process.stdout.readinto(memoryview(into)[:count]) != count:  # type: ignore[attr-defined]
            sys.exit("the adapter's reply is cut short")

    def stop(self) -> None:
        self.ask({"cmd": "stop"})
        self._process.wait()


def median_seconds(repetitions: int, call: Any) -> float:
    call()  # warms up
    seconds = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def measure(kernel: str, mib: int, repetitions: int) -> Dict[str, float]:
    """MiB a second for frames and for packed masks, calls a second for small ones."""
    child = Child(kernel)
    shape = [mib << 18]
    payload = bytes(mib << 20)
    received = bytearray(mib << 20)
    run = {"cmd": "run", "op": "dropout", "p": 0.3, "train": True, "seed": 1}
    x = {"name": "x", "dtype": "f32", "shape": shape}
    sent = {**run, "want": ["y"], "tensors": [x]}
    constant = {**run, "want": ["packed_mask"], "fill": [{**x, "value": 1}]}
    small = {**run, "want": ["y"], "tensors": [{**x, "shape": [256]}]}
    result = {
        "frames": mib / median_seconds(repetitions, lambda: child.ask(sent, payload, received)),
        "masks": mib / median_seconds(repetitions, lambda: child.ask(constant, None, received)),
        "small": 1 / median_seconds(100 * repetitions, lambda: child.ask(small, payload[:1024], received)),
    }
    child.stop()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mib", type=int, default=16, help="size of a frame")
    parser.add_argument("--repetitions", type=int, default=21)
    options = parser.parse_args()
    print(f"| kernel | frames of {options.mib} MiB, MiB/s | constant in, packed mask out, MiB/s | calls/s |")
    print("| --- | --- | --- | --- |")
    for kernel in ("identity", "dropout"):
        result = measure(kernel, options.mib, options.repetitions)
        print(f"| {kernel} | {result['frames']:.0f} | {result['masks']:.0f} | {result['small']:.0f} |")


if __name__ == "__main__":
    main()
