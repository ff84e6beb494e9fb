"""PyTorch: compiled dropout compares in half precision, so its drop rate is another one in bfloat16 and float16.

pip install torch==2.13.0 (and a C++ compiler)
"""

import math

import torch

torch._dynamo.config.recompile_limit = 100  # from the ninth p on the eager kernel would be measured
n = 1 << 24
for dtype in (torch.float32, torch.float16, torch.bfloat16):
    x = torch.ones(n, dtype=dtype)
    for p in (0.1, 0.3, 0.5, 0.9, 0.001, 0.999):
        torch.manual_seed(1)
        y = torch.compile(lambda x, p=p: torch.nn.functional.dropout(x, p))(x)
        dropped = (y == 0).double().mean().item()
        z = (dropped - p) / math.sqrt(p * (1 - p) / n)
        name = str(dtype).removeprefix("torch.")
        print(f"{name:8} p {p}: dropped {dropped:.6f}, {z:+.1f} sigma; mean of y {y.double().mean().item():.6f}")
