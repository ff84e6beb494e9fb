"""A correct adapter without a helper. The programs beside it each replace one part of it by a wrong one."""

from __future__ import annotations

import array
import json
import random
import sys
from typing import Any, Optional

Reply = dict[str, Any]
Answer = tuple[Reply, bytes]


def count_of(shape: list[int]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count


class Adapter:
    seed_semantics = "stateful"
    features = ["mask", "packed_mask", "constant_input", "in_place", "backward"]
    accepts_nan = False

    def __init__(self) -> None:
        self.generator = random.Random()
        self.saved: dict[int, list[int]] = {}
        self.last_saved = 0

    # --- frames

    def read(self, count: int) -> bytes:
        return sys.stdin.buffer.read(count)

    def send(self, reply: Reply, payload: bytes) -> None:
        if payload:
            reply = {**reply, "nbytes": len(payload)}
        sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n" + payload)
        sys.stdout.buffer.flush()

    def serve(self) -> None:
        while line := sys.stdin.buffer.readline():
            request = json.loads(line)
            payload = self.read(request["nbytes"]) if "nbytes" in request else b""
            reply, sent = self.answer(request, payload)
            self.send({**reply, "seq": self.seq_of(request)}, sent)
            if request["cmd"] == "stop":
                self.stopped()
                return

    def seq_of(self, request: Reply) -> int:
        return request["seq"]

    def stopped(self) -> None:
        pass

    # --- commands

    def answer(self, request: Reply, payload: bytes) -> Answer:
        answers = {"start": self.start, "run": self.run, "backward": self.backward, "release": self.release,
                   "stop": lambda request, payload: ({}, b"")}
        if request["cmd"] not in answers:
            return self.unknown(request)
        return answers[request["cmd"]](request, payload)

    def errored(self, message: str, kind: str = "failed") -> Answer:
        return {"errored": True, "message": message, "kind": kind}, b""

    def unknown(self, request: Reply) -> Answer:
        return self.errored(f"unknown cmd {request['cmd']}")

    def start(self, request: Reply, payload: bytes) -> Answer:
        if request["version"] != 1:
            return self.errored("only version 1 is spoken here")
        return {"version": 1, "name": "broken", "seed_semantics": self.seed_semantics,
                "features": self.features}, b""

    def run(self, request: Reply, payload: bytes) -> Answer:
        p = self.number(request["p"])
        if not (0 <= p <= 1 or (p != p and self.accepts_nan)):
            return self.errored(f"p must lie in [0, 1], not {p}", "invalid_argument")
        shape, x = self.input(request, payload)
        self.reseed(request.get("seed"))
        mask = self.mask(len(x), p, request["train"])
        scale = 1 / (1 - p) if request["train"] and p < 1 else 1.0
        y = [v * scale if keep else 0.0 for v, keep in zip(x, mask)]
        tensors, parts = [], []
        for name in request["want"]:
            described, data = self.output(name, shape, y, mask)
            tensors.append(described)
            parts.append(data)
        reply: Reply = {"tensors": tensors}
        if request.get("save"):
            reply["saved"] = self.save(mask)
        return reply, b"".join(parts)

    def backward(self, request: Reply, payload: bytes) -> Answer:
        mask = self.saved.get(request["saved"])
        if mask is None:
            return self.errored("no such call is saved")
        dy = self.decode(payload)
        dx = [2 * v if keep else 0.0 for v, keep in zip(dy, mask)]
        return {"tensors": [{**request["tensors"][0], "name": "dx"}]}, self.encode(dx)

    def release(self, request: Reply, payload: bytes) -> Answer:
        self.saved.pop(request["saved"], None)
        return {}, b""

    # --- the parts that are replaced

    def number(self, value: Any) -> float:
        return float(value)

    def decode(self, data: bytes) -> list[float]:
        return array.array("f", data).tolist()

    def encode(self, values: list[float]) -> bytes:
        return array.array("f", values).tobytes()

    def input(self, request: Reply, payload: bytes) -> tuple[list[int], list[float]]:
        if "fill" in request:
            entry = request["fill"][0]
            return entry["shape"], [float(entry["value"])] * count_of(entry["shape"])
        return request["tensors"][0]["shape"], self.decode(payload)

    def reseed(self, seed: Optional[int]) -> None:
        if seed is not None:
            self.generator.seed(seed)

    def mask(self, count: int, p: float, train: bool) -> list[int]:
        if not train or p == 0:
            return [1] * count
        draw = self.generator.random
        return [1 if draw() >= p else 0 for _ in range(count)]

    def output(self, name: str, shape: list[int], y: list[float], mask: list[int]) -> tuple[Reply, bytes]:
        if name == "mask":
            return {"name": name, "dtype": "u8", "shape": shape}, self.mask_bytes(mask)
        if name == "packed_mask":
            bits = self.packed(mask)
            return {"name": name, "dtype": "u8", "shape": [len(bits)]}, bits
        return {"name": name, "dtype": "f32", "shape": shape}, self.encode(y)

    def mask_bytes(self, mask: list[int]) -> bytes:
        return bytes(mask)

    def packed(self, mask: list[int]) -> bytes:
        packed = bytearray((len(mask) + 7) // 8)
        for i, keep in enumerate(mask):
            packed[i // 8] |= keep << self.bit_of(i)
        return bytes(packed)

    def bit_of(self, i: int) -> int:
        return i % 8

    def save(self, mask: list[int]) -> int:
        self.last_saved += 1
        self.saved[self.last_saved] = mask
        return self.last_saved


if __name__ == "__main__":
    Adapter().serve()
