"""Keras on PyTorch: a dropout with rate 1 cuts the result off from its input, so the backward pass fails.

pip install keras==3.15.1 torch==2.13.0
"""

import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import torch

for rate in (0.999999, 1.0):
    x = torch.ones(3, requires_grad=True)
    y = keras.layers.Dropout(rate, seed=1)(x, training=True)
    try:
        y.sum().backward()
        print(f"rate {rate}: gradient {x.grad.tolist()}")
    except RuntimeError as error:
        print(f"rate {rate}: {type(error).__name__}: {error}")
x = torch.ones(3, requires_grad=True)
torch.nn.functional.dropout(x, 1.0).sum().backward()
print("torch.nn.functional.dropout with p = 1: gradient", x.grad.tolist())
