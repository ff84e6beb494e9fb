"""PyTorch: AlphaDropout(inplace=True) and FeatureAlphaDropout(inplace=True) leave their input as it is.

pip install torch==2.13.0
"""

import torch

for module in (torch.nn.Dropout, torch.nn.Dropout2d, torch.nn.AlphaDropout, torch.nn.FeatureAlphaDropout):
    x = torch.ones(4, 5, 3, 3)
    y = module(0.5, inplace=True)(x)
    written = not torch.equal(x, torch.ones_like(x))
    print(f"{module.__name__}(inplace=True): input written {written}, result is the input {y is x}")
