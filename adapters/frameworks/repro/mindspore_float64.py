"""MindSpore's dropouts in float64 and int64 on CPU: what p = 0 makes of its input, and the scale of p = 0.1.

pip install mindspore==2.10.0 numpy==1.26.4
"""
import mindspore
import numpy as np
from mindspore import Tensor, ops

for value in (0.1, 1e300, 16777217.0):
    x = Tensor(np.full((1, 1, 1, 1), value))
    print(f"dropout2d, p = 0, float64: {value!r} becomes {ops.dropout2d(x, 0.0).asnumpy().item()!r}")
x = Tensor(np.full((1, 1, 1, 1), 16777217), mindspore.int64)
print("dropout2d, p = 0, int64: 16777217 becomes", ops.dropout2d(x, 0.0).asnumpy().item())
y = ops.dropout(Tensor(np.ones(64)), p=0.1).asnumpy()
print("dropout, p = 0.1, float64: 1 becomes", repr(y.max()), "and 1 / 0.9 is", 1 / 0.9)
