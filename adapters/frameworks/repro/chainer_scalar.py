"""Chainer's dropout in training, on arrays of several ranks.

pip install chainer==7.8.1 numpy==1.23.5 (see frameworks.toml for what its setup.py needs)
"""
import chainer.functions as F
import numpy as np

for shape in ((2, 3), (6,), ()):
    try:
        result = f"works, shape {F.dropout(np.ones(shape, np.float32), 0.5).shape}"
    except TypeError as error:
        result = "raises TypeError: " + " ".join(str(error).split())
    print(f"shape {shape}: {result}")
