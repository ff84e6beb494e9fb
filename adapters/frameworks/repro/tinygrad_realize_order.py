"""tinygrad: masks of two dropouts of one model, realized in the order of their making and in the other.

pip install tinygrad==0.14.0 numpy; without clang: DEV=CPU:X86
"""
import numpy as np
from tinygrad import Context, Tensor

x = Tensor(np.ones(4096, np.float32)).realize()
for order in ((0, 1), (1, 0)):
    Tensor.manual_seed(0)
    with Context(TRAINING=1):
        outputs = [x.dropout(0.5), x.dropout(0.5)]
    kept = {}
    for index in order:
        kept[index] = outputs[index].numpy() != 0
    equal = (kept[0] == kept[1]).sum()
    print(f"realized in the order {order}: the two masks agree in {equal} of 4096 elements")
