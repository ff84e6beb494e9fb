"""TensorFlow: inside a tf.function, seeds that differ by 2^31 - 1 give the same masks.

pip install tensorflow==2.21.0
"""

import numpy as np
import tensorflow as tf

x = tf.ones(100_000)


def masks(seed, traced):
    tf.random.set_seed(seed)
    dropout = (tf.function if traced else lambda f: f)(lambda x: tf.nn.dropout(x, 0.5))
    return [dropout(x).numpy() != 0 for _ in range(3)]


for traced in (True, False):
    for other in (8, 7 + 2**31 - 1):
        agree = [f"{np.mean(a == b):.4f}" for a, b in zip(masks(7, traced), masks(other, traced))]
        print(f"{'tf.function' if traced else 'eager'}: calls 1 to 3 of seeds 7 and {other} agree on", *agree)
