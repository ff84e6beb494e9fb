"""Keras on PyTorch: layers with neighbouring seeds share their masks, one call apart.

pip install keras==3.15.1 torch==2.13.0
"""

import os

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np

x = np.ones((1000, 1000), "float32")
masks = []
for seed in (1, 2):
    layer = keras.layers.Dropout(0.5, seed=seed)
    masks.append([keras.ops.convert_to_numpy(layer(x, training=True)) != 0 for _ in range(3)])
for i in range(3):
    for j in range(3):
        equal = np.mean(masks[0][i] == masks[1][j])
        print(f"seed 1, call {i + 1}; seed 2, call {j + 1}: {equal:.4f} of the mask entries agree")
