"""One mindspore.nn.Dropout layer used twice in a model, in graph mode and after mindspore.set_seed.

pip install mindspore==2.10.0 numpy==1.26.4
"""
import mindspore
import numpy as np
from mindspore import Tensor, nn


class Model(nn.Cell):
    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(p=0.5)

    def construct(self, x):
        return self.dropout(x), self.dropout(x + 1)


for mode in (mindspore.PYNATIVE_MODE, mindspore.GRAPH_MODE):
    mindspore.set_context(mode=mode)
    mindspore.set_seed(1)
    model = Model().set_train()
    for step in range(2):
        a, b = (out.asnumpy() != 0 for out in model(Tensor(np.ones(65536, np.float32))))
        print(f"mode {mode}, step {step}: {(a == b).mean():.4f} of 65536 elements agree")
