"""Keras on TensorFlow: layers whose seeds differ by 2^31 - 2 have the same masks.

pip install keras==3.15.1 tensorflow==2.21.0
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np

x = np.ones(100_000, "float32")
first = keras.layers.Dropout(0.5, seed=5)(x, training=True).numpy() != 0
for seed in (6, 5 + 2**31 - 2, 5 + 2**32):
    other = keras.layers.Dropout(0.5, seed=seed)(x, training=True).numpy() != 0
    print(f"seeds 5 and {seed}: {np.mean(first == other):.4f} of the mask entries agree")
