"""PyTorch: compiled dropout takes p = NaN, and at p = 1 makes +0 of -1, NaN and infinity.

pip install torch==2.13.0 (and a C++ compiler)
"""

import math

import torch
from torch.nn.functional import dropout

x = torch.tensor([-1.0, math.nan, math.inf, 1.0])
for p in (1.0, math.nan):
    compiled = torch.compile(lambda x, p=p: dropout(x, p))
    for name, function in (("eager", lambda x, p=p: dropout(x, p)), ("compiled", compiled)):
        try:
            print(f"p = {p}, {name}: {function(x).tolist()}")
        except RuntimeError as error:
            print(f"p = {p}, {name}: {type(error).__name__}: {error}")
