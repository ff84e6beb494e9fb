"""PyTorch: a function compiled for the CPU repeats whole masks, as its calls have seeds of 32 bits.

pip install torch==2.13.0 (and a C++ compiler)
"""

import torch

CALLS, ELEMENTS = 400_000, 256
x = torch.ones(ELEMENTS)
weights = torch.randint(-(2**62), 2**62, (ELEMENTS,))  # sums over the kept elements are hashes


def repeats(dropout):
    torch.manual_seed(1)
    hashes = torch.stack([(dropout(x) != 0).long().mul(weights).sum() for _ in range(CALLS)])
    return CALLS - len(hashes.unique())


expected = CALLS**2 / 2 / 2**32
print("eager:   ", repeats(lambda x: torch.nn.functional.dropout(x, 0.5)), "of", CALLS, "masks came before")
print("compiled:", repeats(torch.compile(lambda x: torch.nn.functional.dropout(x, 0.5))), "of", CALLS,
      f"masks came before; 32 bits would give about {expected:.1f}, {ELEMENTS} fair bits none")
