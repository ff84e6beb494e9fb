"""ONNX Runtime's Dropout-13 on CPU, judged by dropcheck.

    dropcheck run --backend="exec:python3 onnxruntime_adapter.py --form=node"

A session has one Dropout node whose ratio and training_mode are inputs, so one serves every p.

--form=node     the seed is the node's attribute (the default). It holds for the life of a session, whose
                calls go on from it; a seed therefore means a new session with that attribute, and calls
                without one go on in the session that is there.
--form=global   the node has no seed; onnxruntime.set_seed sets that of the process.
"""

import argparse
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
from dropcheck_adapter import serve  # noqa: E402

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--form", choices=("node", "global"), default="node")
choice = parser.parse_args()

ELEMENT_TYPES = {"f32": TensorProto.FLOAT, "f64": TensorProto.DOUBLE, "f16": TensorProto.FLOAT16}
onnxruntime.set_default_logger_severity(4)  # a refused ratio is logged as an error otherwise


def session_for(dtype, seed):
    """A session with one Dropout node; without a seed attribute if seed is None."""
    element_type = ELEMENT_TYPES[dtype]
    attributes = {} if seed is None else {"seed": seed - (1 << 64) if seed >= 1 << 63 else seed}  # int64
    node = helper.make_node("Dropout", ["x", "ratio", "training_mode"], ["y", "mask"], **attributes)
    inputs = [
        helper.make_tensor_value_info("x", element_type, None),
        helper.make_tensor_value_info("ratio", TensorProto.DOUBLE, []),
        helper.make_tensor_value_info("training_mode", TensorProto.BOOL, []),
    ]
    outputs = [
        helper.make_tensor_value_info("y", element_type, None),
        helper.make_tensor_value_info("mask", TensorProto.BOOL, None),
    ]
    graph = helper.make_graph([node], "dropout", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


seed_in_force = None
sessions = {}


def reseed(seed):
    global seed_in_force
    if choice.form == "global":
        onnxruntime.set_seed(seed - (1 << 64) if seed >= 1 << 63 else seed)  # int64
    else:
        seed_in_force = seed
        sessions.clear()


@serve(
    name=f"onnxruntime-{choice.form}",
    implementation_version=onnxruntime.__version__,
    library=f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}",
    dtypes=["f32", "f64", "f16"],
    reseed=reseed,
    mask=True,
    tensors="numpy",
    refuses=(onnxruntime.capi.onnxruntime_pybind11_state.Fail,),
    notes=[
        "Dropout-13, CPUExecutionProvider, default session options, ratio as an input of type double",
        "the CPU provider has no bf16 kernel, and the package no gradient",
    ],
)
def dropout(x, p, train, dtype):
    if dtype not in sessions:
        sessions[dtype] = session_for(dtype, seed_in_force)
    feed = {"x": x, "ratio": np.array(p), "training_mode": np.array(train)}
    return tuple(sessions[dtype].run(["y", "mask"], feed))
