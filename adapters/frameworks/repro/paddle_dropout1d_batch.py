"""paddle.nn.functional.dropout1d: the channels of one sample against those of another.

pip install paddlepaddle==3.3.1
"""
import paddle
import paddle.nn.functional as F

paddle.seed(1)
x = paddle.ones([64, 256, 8])
outputs = {"dropout1d": F.dropout1d(x, 0.5), "dropout2d": F.dropout2d(x.unsqueeze(-1), 0.5)}
for name, y in outputs.items():
    kept = y.numpy().reshape(64, 256, -1)[:, :, 0] != 0
    equal = [(kept[n] == kept[0]).all() for n in range(1, 64)]
    print(f"{name}: {sum(equal)} of 63 further samples have the channels of sample 0; rows of 6 samples:")
    for row in kept[:6, :40]:
        print("   ", "".join(".#"[int(keep)] for keep in row))
