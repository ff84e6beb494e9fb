"""Keras: AlphaDropout takes a rate of 1, and then cannot be called.

pip install keras==3.15.1 jax==0.10.2
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

x = np.ones((2, 3), "float32")
print("Dropout(1.0):", keras.layers.Dropout(1.0)(x, training=True))
layer = keras.layers.AlphaDropout(1.0)
try:
    print("AlphaDropout(1.0):", layer(x, training=True))
except ZeroDivisionError as error:
    print("AlphaDropout(1.0):", type(error).__name__, error)
