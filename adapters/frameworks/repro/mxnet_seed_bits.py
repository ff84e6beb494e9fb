"""mx.random.seed with seeds that differ above bit 31 only.

pip install mxnet==1.9.1 numpy==1.23.5
"""
import mxnet as mx


def kept(seed):
    mx.random.seed(seed)
    with mx.autograd.record():
        return mx.nd.Dropout(mx.nd.ones(4096), p=0.5).asnumpy() != 0


for seed, other in ((0, 2**32), (7, 7 + 2**33), (7, 8)):
    print(f"seeds {seed} and {other}: masks agree in {(kept(seed) == kept(other)).sum()} of 4096 elements")
