#!/usr/bin/env python3
"""Do consecutive dropout calls of PyTorch on a GPU read the same random words?

PyTorch's sources predict it for two kinds of calls (docs/pytorch_cuda_overlap.md): the fused kernel reserves
ceil(N / 4T) blocks of Philox for a thread, T being the number of threads, and reads more of them
  - where a thread handles 8 elements at once (f16 and bf16 in newer releases) and N mod 8T is in [1, 4T]: then
    mask 2 at 8t + j equals mask 1 at 8t + 4 + j for j = 0..3;
  - where it handles 2 (f64 in newer releases; any dtype for N mod 4 = 2) and N > 2T: then mask 2 at i equals
    mask 1 at i + 2T ceil(N / 4T).
This program draws the masks and counts. It needs a Python with PyTorch and nothing of dropcheck.

Exit code: 0 neither overlap is there, 1 at least one is, 2 it could not be tried.
"""

import argparse
import math
import sys

try:
    import torch
except ImportError:
    print("this program needs PyTorch: pip install torch", file=sys.stderr)
    sys.exit(2)

THREADS_PER_BLOCK = 256


def launch(numel, multiprocessors, threads_per_multiprocessor):
    """Threads T of a launch on so many elements, and the blocks that each reserves."""
    most = multiprocessors * (threads_per_multiprocessor // THREADS_PER_BLOCK)
    threads = THREADS_PER_BLOCK * min(most, -(-numel // THREADS_PER_BLOCK))
    return threads, (numel - 1) // (4 * threads) + 1


def masks(dtype, numel, p, seed, device):
    """Masks of two calls after one seed, True where an element was kept."""
    torch.manual_seed(seed)
    ones = torch.ones(numel, dtype=dtype, device=device)
    first = torch.nn.functional.dropout(ones, p, True)
    second = torch.nn.functional.dropout(ones, p, True)
    return first != 0, second != 0


def chance_of(matches, pairs, p):
    """log10 of a bound on the chance of so many matches or more among independent pairs (Hoeffding 1963)."""
    expected = p * p + (1 - p) * (1 - p)
    share = matches / pairs
    if share <= expected:
        return 0.0
    if share == 1.0:
        return pairs * math.log10(expected)
    divergence = share * math.log(share / expected) + (1 - share) * math.log((1 - share) / (1 - expected))
    return -pairs * divergence / math.log(10)


def look(name, first, second, p):
    """Prints one comparison; True where the masks agree more than chance allows."""
    pairs, matches = first.numel(), int((first == second).sum())
    log10 = chance_of(matches, pairs, p)
    found = log10 < -9
    chance = "within chance" if not found else f"by chance with probability below 1e{math.floor(log10)}"
    print(f"{name}: {matches} of {pairs} pairs of entries agree, {pairs * (p * p + (1 - p) ** 2):.0f} expected; {chance}")
    return found


def eight_at_once(dtype, numel, p, seed, device):
    first, second = (m[: numel // 8 * 8].view(-1, 8) for m in masks(dtype, numel, p, seed, device))
    return look(f"{dtype}, {numel} elements, mask 2 at 8t+j against mask 1 at 8t+4+j", first[:, 4:], second[:, :4], p)


def two_at_once(dtype, numel, shift, p, seed, device):
    first, second = masks(dtype, numel, p, seed, device)
    return look(f"{dtype}, {numel} elements, mask 2 at i against mask 1 at i+{shift}", first[shift:], second[: numel - shift], p)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda; cpu is a control that must find nothing")
    parser.add_argument("--p", type=float, default=0.5, help="drop probability, above 0 and below 1")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds are tried")
    options = parser.parse_args()
    if not 0 < options.p < 1 or options.seeds < 1:
        parser.error("--p must lie between 0 and 1, and --seeds must be at least 1")
    if options.device.startswith("cuda"):
        if not torch.cuda.is_available():
            print("this PyTorch sees no CUDA device: nothing was tried")
            return 2
        facts = torch.cuda.get_device_properties(options.device)
        device = (facts.multi_processor_count, facts.max_threads_per_multi_processor)
        print(f"PyTorch {torch.__version__} on {facts.name}: {device[0]} multiprocessors of {device[1]} threads")
    else:
        device = (132, 2048)
        print(f"PyTorch {torch.__version__} on {options.device}: a control, with the geometry of 132 x 2048 threads")

    threads, _ = launch(1 << 40, *device)  # of a full launch
    large = (2 * threads + threads // 2) // 4 * 4
    found = []
    for seed in range(options.seeds):
        for dtype in (torch.float16, torch.bfloat16):
            for numel in (1024, 65536, 4 * threads):
                if eight_at_once(dtype, numel, options.p, seed, options.device):
                    found.append(f"{dtype}: consecutive calls share words (8 elements at once)")
        for dtype, numel in ((torch.float64, large), (torch.float32, large + 2)):
            t, reserved = launch(numel, *device)
            if two_at_once(dtype, numel, 2 * t * reserved, options.p, seed, options.device):
                found.append(f"{dtype}: consecutive calls share words (2 elements at once)")
    for line in sorted(set(found)):
        print("FOUND", line)
    if not found:
        print("neither overlap is there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
