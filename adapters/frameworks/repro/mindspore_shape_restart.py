"""One mindspore.nn.Dropout layer, called with inputs of several sizes after mindspore.set_seed.

pip install mindspore==2.10.0 numpy==1.26.4
"""
import mindspore
import numpy as np
from mindspore import Tensor, nn

mindspore.set_seed(1)
layer = nn.Dropout(p=0.5).set_train()
sizes = (65536, 65536, 60000, 60000, 50001, 65536)
kept = [layer(Tensor(np.ones(size, np.float32))).asnumpy() != 0 for size in sizes]
for i in range(len(sizes)):
    for j in range(i):
        n = min(sizes[i], sizes[j])
        agree = (kept[i][:n] == kept[j][:n]).mean()
        print(f"call {j} ({sizes[j]}) and call {i} ({sizes[i]}): {agree:.4f} of {n} elements agree")
