"""paddle.seed with seeds that differ above bit 31 only.

pip install paddlepaddle==3.3.1
"""
import paddle
import paddle.nn.functional as F


def kept(seed):
    paddle.seed(seed)
    return F.dropout(paddle.ones([4096]), 0.5).numpy() != 0


for seed in (0, 1, 20240001, 2**31 + 7):
    for other in (seed + 2**32, seed + 2**63):
        agree = (kept(seed) == kept(other)).sum()
        print(f"seeds {seed} and {other}: masks agree in {agree} of 4096 elements")
