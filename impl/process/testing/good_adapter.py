"""A correct adapter in plain Python, with every feature of the protocol. Each reply tells in the fact `request` what
arrived, so that tests can look at it.

usage: good_adapter.py [MEMBER=JSON ...]    members of the reply to start, e.g. 'seed_semantics="per_call"'
"""

import array
import json
import pickle
import random
import sys
from typing import Any, BinaryIO, Optional

TYPECODES = {"f32": "f", "f64": "d", "u8": "B"}
Frame = tuple[dict[str, Any], bytes]


def read_frame(stream: BinaryIO) -> Optional[Frame]:
    line = stream.readline()
    if not line:
        return None
    request = json.loads(line)
    return request, stream.read(request.get("nbytes", 0))


class Adapter:
    def __init__(self, claims: dict[str, Any]) -> None:
        self.claims = claims
        self.stream = random.Random()
        self.saved: dict[int, list[float]] = {}
        self.last_saved = 0

    def start(self, request: dict[str, Any]) -> Frame:
        features = ["backward", "in_place", "threads", "mask", "packed_mask", "constant_input", "rng_words",
                    "effective_rate", "recompute"]
        reply = {"version": 1, "name": "good", "implementation_version": "1.2", "seed_semantics": "stateful",
                 "dtypes": ["f32", "f64"], "features": features, "promises": ["equal_ranks"],
                 "unknown_member": 1}
        if "rank" in request:
            reply["notes"] = [f"rank {request['rank']} of {request['world_size']}"]
        return {**reply, **self.claims}, b""

    def inputs(self, request: dict[str, Any], payload: bytes) -> dict[str, array.array]:
        found = {}
        for tensor in request.get("tensors", []):
            code = TYPECODES[tensor["dtype"]]
            size = array.array(code).itemsize * product(tensor["shape"])
            found[tensor["name"]] = array.array(code, payload[:size])
            payload = payload[size:]
        for tensor in request.get("fill", []):
            value = float(tensor["value"])
            found[tensor["name"]] = array.array(TYPECODES[tensor["dtype"]], [value]) * product(tensor["shape"])
        return found

    def run(self, request: dict[str, Any], payload: bytes) -> Frame:
        p = float(request["p"])
        if not 0 <= p <= 1:
            return {"errored": True, "message": "p must lie in [0, 1]", "kind": "invalid_argument"}, b""
        x = self.inputs(request, payload)["x"]
        if "seed" in request:
            self.stream.seed(request["seed"])
        kept = [1] * len(x)
        if request["train"]:
            kept = [0 if self.stream.random() < p else 1 for _ in x]
        scale = 1 / (1 - p) if request["train"] and p < 1 else 1.0
        factors = [keep * scale for keep in kept]
        y = array.array(x.typecode, [value * factor for value, factor in zip(x, factors)])
        like_x = (request.get("tensors", []) + request.get("fill", []))[0]
        bits = bytearray((len(x) + 7) // 8)
        for i, keep in enumerate(kept):
            bits[i // 8] |= keep << (i % 8)
        outputs = {
            "y": ({"name": "y", "dtype": like_x["dtype"], "shape": like_x["shape"]}, y.tobytes()),
            "mask": ({"name": "mask", "dtype": "u8", "shape": like_x["shape"]}, bytes(kept)),
            "packed_mask": ({"name": "packed_mask", "dtype": "u8", "shape": [len(bits)]}, bytes(bits)),
        }
        wanted = [outputs[name] for name in request["want"]]
        reply: dict[str, Any] = {"tensors": [tensor for tensor, _ in wanted], "effective_p": p,
                                 "rng_words": 2 * len(x), "warnings": ["a warning"],
                                 "facts": {"request": json.dumps(request), "saved": str(len(self.saved))}}
        if request.get("save"):
            self.last_saved += 1
            self.saved[self.last_saved] = factors
            reply["saved"] = self.last_saved
        return reply, b"".join(data for _, data in wanted)

    def backward(self, request: dict[str, Any], payload: bytes) -> Frame:
        dy = self.inputs(request, payload)["dy"]
        dx = array.array(dy.typecode, [d * factor for d, factor in zip(dy, self.saved[request["saved"]])])
        shape = request["tensors"][0]["shape"]
        dtype = request["tensors"][0]["dtype"]
        return {"tensors": [{"name": "dx", "dtype": dtype, "shape": shape}]}, dx.tobytes()

    def answer(self, request: dict[str, Any], payload: bytes) -> Frame:
        if request["cmd"] == "start":
            return self.start(request)
        if request["cmd"] == "run":
            return self.run(request, payload)
        if request["cmd"] == "backward":
            return self.backward(request, payload)
        if request["cmd"] == "release":
            self.saved.pop(request["saved"], None)
        if request["cmd"] == "save_state":
            return {}, pickle.dumps(self.stream.getstate())
        if request["cmd"] == "load_state":
            self.stream.setstate(pickle.loads(payload))
        return {}, b""

    def send(self, reply: dict[str, Any], payload: bytes) -> None:
        sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n" + payload)
        sys.stdout.buffer.flush()

    def serve(self) -> None:
        while (frame := read_frame(sys.stdin.buffer)) is not None:
            request, payload = frame
            reply, data = self.answer(request, payload)
            reply["seq"] = request["seq"]
            if data:
                reply["nbytes"] = len(data)
            self.send(reply, data)
            if request["cmd"] == "stop":
                return


def product(shape: list[int]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count


def claims_of(arguments: list[str]) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in (argument.split("=", 1) for argument in arguments)}


if __name__ == "__main__":
    Adapter(claims_of(sys.argv[1:])).serve()
