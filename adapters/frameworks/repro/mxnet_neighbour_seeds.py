"""mx.nd.Dropout: the mask of one seed against the mask of the next, moved by 127 chunks.

pip install mxnet==1.9.1 numpy==1.23.5
"""
import mxnet as mx


def kept(seed, n):
    mx.random.seed(seed)
    with mx.autograd.record():
        return mx.nd.Dropout(mx.nd.ones(n), p=0.5).asnumpy() != 0


for n in (16384, 65536, 1 << 20):
    chunk = max(64, n // 1024)  # 1024 generators, each with at least 64 numbers
    for distance in (1, 2, 4, 8):
        shift = 127 * distance * chunk
        if shift < n:
            a, b = kept(1, n), kept(1 + distance, n)
            print(f"{n} elements, seeds 1 and {1 + distance}: unshifted agreement {(a == b).mean():.4f},"
                  f" shifted by {shift}: {(a[shift:] == b[:-shift]).mean():.4f} of {n - shift} elements")
