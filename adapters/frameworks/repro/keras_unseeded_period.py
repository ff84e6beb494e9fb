"""Keras: without a seed, masks of keras.random.dropout come again after 1486 calls (JAX) or 672 (PyTorch).

pip install keras==3.15.1 jax==0.10.2 (or KERAS_BACKEND=torch with torch==2.13.0)
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

x = keras.ops.ones((64, 4, 2))
for seed in (2, 3):
    keras.utils.set_random_seed(seed)
    last, repeated, distances = {}, 0, {}
    for call in range(5000):
        y = keras.random.dropout(x, 0.5, noise_shape=(64, 4, 1))
        mask = np.packbits(keras.ops.convert_to_numpy(y)[:, :, 0] != 0).tobytes()
        if mask in last:
            repeated += 1
            distances[call - last[mask]] = distances.get(call - last[mask], 0) + 1
        last[mask] = call
    between = max(distances, key=distances.get, default=None)
    name = keras.backend.backend()
    print(f"{name}, seed {seed}: {repeated} of 5000 masks came before, mostly {between} calls ago")
