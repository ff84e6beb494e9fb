"""The mask of a call, element by element, against the mask of the call before it in the same session.

pip install onnxruntime==1.31.1 onnx==1.23.2 numpy
"""
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

value = helper.make_tensor_value_info
node = helper.make_node("Dropout", ["x", "ratio", "training_mode"], ["y", "mask"], seed=123456789)
inputs = [value("x", TensorProto.FLOAT, None), value("ratio", TensorProto.FLOAT, []),
          value("training_mode", TensorProto.BOOL, [])]
graph = helper.make_graph([node], "g", inputs, [value("mask", TensorProto.BOOL, None)])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
session = onnxruntime.InferenceSession(model.SerializeToString())
feed = {"x": np.ones(4096, np.float32), "ratio": np.array(0.5, np.float32), "training_mode": np.array(True)}
calls = 1000
keep = np.array([session.run(None, feed)[0] for _ in range(calls)])

agree = (keep[1:] == keep[:-1]).mean(axis=0)  # of each element; independent calls: 0.5, sd 0.0158
print(f"agreement of successive calls, by element: sd {agree.std():.4f}, independent 0.0158;"
      f" smallest {agree.min():.3f}, largest {agree.max():.3f}")
drops = (~keep).sum(axis=0)  # of each element; independent calls: binomial, variance 250
print(f"drops of each element in {calls} calls: variance {drops.var():.3f}, independent {calls / 4}")
gap = (agree - 0.5) ** 2 * 4 * (calls - 1)
print(f"chi-squared of the agreements {gap.sum():.0f} with 4096 degrees of freedom")
