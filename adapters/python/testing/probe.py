"""An adapter for tests: says in facts what it was asked, and behaves as p tells it to."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from dropcheck_adapter import Result, serve, take_standard_streams  # noqa: E402

take_standard_streams()
print("noise before the start")
calls = 0


def misbehave(p):
    if p == 2:
        raise ValueError("refused")
    if p == 3:
        raise NotImplementedError("cannot do this")
    if p == 4:
        raise RuntimeError("broken")
    if p == 5:
        raise MemoryError


def backward(saved, dy):
    return [v * saved for v in dy]


@serve(
    name="probe",
    dtypes=["f32", "f64", "f16", "bf16"],
    seed_semantics="stateful",
    backward=backward,
    mask=True,
    tensors="list",
    offset_unit="calls",
    features=["rng_words", "effective_rate"],
)
def dropout(x, p, train, seed, in_place, threads, offset, save):
    global calls
    print("noise from the kernel")
    os.write(1, b'{"seq":-1}\n')
    os.system("echo noise from a child")
    misbehave(p)
    if p == 6:
        return None
    if p == 7:
        return Result(x)
    calls = 0 if seed is not None else calls + 1
    mask = [k % 3 != 0 for k in range(len(x))]
    y = [2 * v for v in x]
    if in_place:
        x[:] = y
    facts = {"p": repr(p), "train": train, "seed": seed, "calls": calls, "threads": threads, "offset": offset}
    facts["input"] = sys.stdin.read()
    return Result(
        y,
        mask,
        saved=3.0 if save else None,
        facts=facts,
        rng_words=len(x),
        effective_p=0.25,
        warnings=["a warning"],
    )
