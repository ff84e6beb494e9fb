"""TensorFlow: in half precision the drop rate is a multiple of 1/128 (bfloat16) or 1/1024 (float16).

pip install tensorflow==2.21.0
"""

import math

import numpy as np
import tensorflow as tf

n = 1 << 24
for dtype in (tf.float32, tf.float16, tf.bfloat16):
    x = tf.ones(n, dtype)
    for rate in (0.1, 0.3, 0.001, 0.999):
        tf.random.set_seed(1)
        y = tf.nn.dropout(x, rate)
        dropped = np.mean(y.numpy().astype("float32") == 0)
        sigma = math.sqrt(rate * (1 - rate) / n)
        mean = float(tf.reduce_mean(tf.cast(y, tf.float64)))
        z = (dropped - rate) / sigma
        print(f"{dtype.name:8} rate {rate}: dropped {dropped:.6f}, {z:+.1f} sigma; mean of y {mean:.6f}")
