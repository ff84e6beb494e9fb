"""MindSpore's Dropout2d and Dropout3d on CPU: masks of several layers of one model, and of another run.

pip install mindspore==2.10.0 numpy==1.26.4; run it twice and compare the last line
"""
import sys
import mindspore
import numpy as np
from mindspore import Tensor, nn

mindspore.set_context(mode=mindspore.GRAPH_MODE if "graph" in sys.argv else mindspore.PYNATIVE_MODE)
mindspore.set_seed(int.from_bytes(np.random.bytes(3), "little"))  # another seed in every run


class Model(nn.Cell):
    def __init__(self, p, q):
        super().__init__()
        self.first, self.second, self.third = nn.Dropout2d(p=p), nn.Dropout2d(p=q), nn.Dropout3d(p=p)

    def construct(self, x, small, y):
        return self.first(x), self.second(small + 1), self.third(y)


shapes = ((64, 64, 8, 8), (64, 64, 4, 4), (64, 64, 2, 2, 2))
for p, q in ((0.5, 0.5), (0.2, 0.3)):
    model = Model(p, q).set_train()
    for step in range(2):
        outputs = model(*(Tensor(np.ones(shape, np.float32)) for shape in shapes))
        kept = [out.asnumpy().reshape(64 * 64, -1)[:, 0] != 0 for out in outputs]
        r = np.corrcoef(kept)
        print(f"p {p}, {q}, step {step}: correlations of masks {r[0, 1]:.4f}, {r[0, 2]:.4f}, {r[1, 2]:.4f}")
print("channels kept first:", "".join(".#"[int(keep)] for keep in kept[0][:64]))
