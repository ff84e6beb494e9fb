"""Paddle's dropouts: dropped elements whose value divided by 1 - p would overflow.

pip install paddlepaddle==3.3.1
"""
import paddle
import paddle.nn.functional as F

paddle.seed(1)
x = paddle.full([64, 64, 1, 1], 3e38)
for name, y in (("dropout", F.dropout(x, 0.5)), ("dropout2d", F.dropout2d(x, 0.5))):
    zeros, infinite, nan = (int(count.sum()) for count in (y == 0, paddle.isinf(y), paddle.isnan(y)))
    print(f"{name}: of 4096 elements of 3e38 at p = 0.5 {zeros} became 0, {infinite} infinite, {nan} NaN")
