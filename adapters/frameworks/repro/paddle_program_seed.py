"""F.dropout in dynamic mode after the default program has been given a random seed.

pip install paddlepaddle==3.3.1
"""
import paddle
import paddle.nn.functional as F

x = paddle.ones([4096])
for seed in (0, 42):
    paddle.static.default_main_program().random_seed = seed
    first, second = (F.dropout(x, 0.5).numpy() != 0 for _ in range(2))
    other = F.dropout(x, 0.3).numpy() != 0
    print(f"program seed {seed}: two calls agree in {(first == second).sum()} of 4096 elements;"
          f" kept at p = 0.5 and dropped at p = 0.3: {(first & ~other).sum()} elements")
