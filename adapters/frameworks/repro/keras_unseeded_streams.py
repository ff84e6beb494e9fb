"""Keras: without a seed, keras.random.dropout has 933199 streams, so two seeds of a program soon share one.

pip install keras==3.15.1 jax==0.10.2 (or KERAS_BACKEND=tensorflow with tensorflow==2.21.0)
"""

import os
import random

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

width = 2**32 if keras.backend.backend() == "jax" else 2**63  # of the generator's state
seen = {}
for seed in range(100000):  # the state after one draw, as SeedGenerator.next(ordered=False) makes it
    random.seed(seed)
    state = (random.randint(1, int(1e9)) + 1) * 5387 % width % 933199
    if state in seen:
        break
    seen[state] = seed
masks = []
for chosen in (seen[state], seed):
    keras.utils.set_random_seed(chosen)
    masks.append([np.array(keras.random.dropout(np.ones(100000, "float32"), 0.5)) != 0 for _ in range(4)])
for call, (a, b) in enumerate(zip(*masks), 1):
    print(f"seeds {seen[state]} and {seed}, call {call}: {np.mean(a == b):.4f} of the mask entries agree")
