"""MindSpore's ops.dropout: stretches of one call's mask that occur again in the mask of another call.

pip install mindspore==2.10.0 numpy==1.26.4; takes about a minute
"""
import mindspore
import numpy as np
from mindspore import Tensor, ops

CALLS, N = 48, 1 << 22
mindspore.set_seed(1)
x = Tensor(np.ones(N, np.float32))
packed = [np.packbits(ops.dropout(x, p=0.5).asnumpy() != 0) for _ in range(CALLS)]
starts = np.array([call[:8].copy().view(">u8")[0] for call in packed], np.uint64)  # first 64 elements of each
found = 0
for index, call in enumerate(packed):
    bits = np.unpackbits(call).astype(np.uint64)
    windows = np.zeros(N - 63, np.uint64)
    for k in range(64):
        windows = windows << np.uint64(1) | bits[k : N - 63 + k]
    for offset in np.flatnonzero(np.isin(windows, starts)):
        other = int(np.flatnonzero(starts == windows[offset])[0])
        if other != index:
            n = N - offset
            same = (np.unpackbits(packed[other])[:n] == np.unpackbits(call)[offset:]).all()
            found += 1
            print(f"call {other} begins at element {offset} of call {index}; all {n} elements equal: {same}")
pairs = CALLS * (CALLS - 1)
print(f"{found} pairs of calls overlap; one cycle of 2^31 - 2 numbers predicts {pairs * N / 2**31:.1f},"
      f" one of 2^64 {pairs * N / 2**64:.0e}")
