"""tinygrad's Tensor.dropout: the drop rate under DEFAULT_FLOAT=FLOAT16 and BFLOAT16.

pip install tinygrad==0.14.0 numpy; without clang: DEV=CPU:X86
"""
import os
import subprocess
import sys

PROGRAM = """
import math, numpy as np
from tinygrad import Tensor, Context, dtypes
Tensor.manual_seed(1)
x = Tensor(np.ones(1 << 22, np.float32)).realize()
with Context(TRAINING=1):
    for p in (0.1, 0.3, 0.999, 0.001):
        calls, n = 4, 4 << 22
        drops = sum(int((x.dropout(p).numpy() == 0).sum()) for _ in range(calls))
        z = (drops - n * p) / math.sqrt(n * p * (1 - p))
        print(f"{dtypes.default_float}: p = {p}: rate {drops / n:.6f} of {n}, {z:.1f} standard deviations")
"""
for name in ("FLOAT32", "FLOAT16", "BFLOAT16"):
    subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, "DEFAULT_FLOAT": name}, check=True)
