"""tinygrad: Tensor.manual_seed with seeds that differ above bit 31 only.

pip install tinygrad==0.14.0 numpy; without clang: DEV=CPU:X86
"""
import numpy as np
from tinygrad import Context, Tensor

x = Tensor(np.ones(4096, np.float32)).realize()


def kept(seed):
    Tensor.manual_seed(seed)
    with Context(TRAINING=1):
        return x.dropout(0.5).numpy() != 0


for seed, other in ((0, 2**32), (7, 7 + 2**33), (7, 8)):
    print(f"seeds {seed} and {other}: masks agree in {(kept(seed) == kept(other)).sum()} of 4096 elements")
