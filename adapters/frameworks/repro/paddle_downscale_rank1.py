"""F.dropout in mode downscale_in_infer, in evaluation, on tensors of several ranks.

pip install paddlepaddle==3.3.1
"""
import paddle
import paddle.nn.functional as F

for shape in ((2, 3), (6,), ()):
    for training in (True, False):
        try:
            F.dropout(paddle.ones(shape), 0.5, training=training, mode="downscale_in_infer")
            result = "works"
        except ValueError as error:
            lines = [line for line in str(error).splitlines() if "InvalidArgument" in line]
            result = "raises ValueError: " + (lines or [str(error)])[-1]
        print(f"shape {shape}, training={training}: {result}")
