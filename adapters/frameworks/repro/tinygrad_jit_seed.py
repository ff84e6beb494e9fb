"""tinygrad: Tensor.manual_seed after TinyJit has captured a function with dropout.

pip install tinygrad==0.14.0 numpy; without clang: DEV=CPU:X86
"""
import numpy as np
from tinygrad import Context, Tensor, TinyJit

x = Tensor(np.ones(65536, np.float32)).realize()


def forward(x):
    with Context(TRAINING=1):
        return x.dropout(0.5).realize()


for name, function in (("eager", forward), ("TinyJit", TinyJit(forward))):
    for _ in range(4):
        function(x)  # TinyJit captures at the second call
    runs = []
    for _ in range(2):
        Tensor.manual_seed(42)
        runs.append(function(x).numpy() != 0)
    print(f"{name}: after the same seed {(runs[0] == runs[1]).mean():.4f} of 65536 elements agree")
