"""PyTorch on the CPU: of a seed of 64 bits the upper 32 have no effect.

pip install torch==2.13.0
"""

import torch
from torch.nn.functional import dropout

x = torch.ones(1_000_000)
torch.manual_seed(7)
first = dropout(x) != 0
for seed in (8, 7 + 2**31, 7 + 2**32, 7 + 2**40, 7 + 2**63):
    torch.manual_seed(seed)
    agree = (first == (dropout(x) != 0)).double().mean()
    print(f"seeds 7 and {seed}: {agree:.4f} of the mask entries agree")
