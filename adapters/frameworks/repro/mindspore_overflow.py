"""MindSpore's dropout on CPU: dropped elements whose value times 1 / (1 - p) would overflow.

pip install mindspore==2.10.0 numpy==1.26.4
"""
import mindspore
import numpy as np
from mindspore import Tensor, ops

mindspore.set_seed(1)
for dtype, value, p in (("float16", 40000, 0.5), ("float16", 100, 0.999), ("float32", 3e38, 0.5)):
    for function, shape in ((ops.dropout, (4096,)), (ops.dropout2d, (64, 64, 1, 1))):
        y = function(Tensor(np.full(shape, value, dtype)), p=p).asnumpy()
        print(f"{function.__name__}, {dtype}, x = {value:g}, p = {p}: {(y == 0).sum()} zeros,"
              f" {np.isinf(y).sum()} infinite, {np.isnan(y).sum()} NaN of 4096")
