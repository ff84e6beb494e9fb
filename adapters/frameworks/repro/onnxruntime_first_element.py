"""Element 0 under small seed attributes, and masks of one session against those of the next.

pip install onnxruntime==1.31.1 onnx==1.23.2 numpy
"""
import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def session(seed):
    value = helper.make_tensor_value_info
    node = helper.make_node("Dropout", ["x", "ratio", "training_mode"], ["y", "mask"], seed=seed)
    inputs = [value("x", TensorProto.FLOAT, None), value("ratio", TensorProto.FLOAT, []),
              value("training_mode", TensorProto.BOOL, [])]
    graph = helper.make_graph([node], "g", inputs, [value("mask", TensorProto.BOOL, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString())


def masks(seed, calls, n, p):
    run, feed = session(seed).run, {"ratio": np.array(p, np.float32), "training_mode": np.array(True)}
    return np.array([run(None, {"x": np.ones(n, np.float32), **feed})[0] for _ in range(calls)])


print("seed 0, p = 0.3, 20000 calls: element 0 dropped in", (~masks(0, 20000, 4, 0.3)[:, 0]).sum())
print("seed 0: call 0 equals call 1:", (np.diff(masks(0, 2, 4096, 0.5).astype(int), axis=0) == 0).all())
a, b = masks(5, 101, 4096, 0.5), masks(6, 100, 4096, 0.5)
print("call k + 1 of seed 5 equals call k of seed 6 in", (a[1:] == b).all(axis=1).sum(), "of 100 calls")
print("seeds 5 and 5 + 2^31 - 1 equal:", (masks(5 + 2**31 - 1, 100, 4096, 0.5) == a[:100]).all())
