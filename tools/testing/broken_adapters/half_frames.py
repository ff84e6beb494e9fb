"""Sends half of the bytes that it announces."""

import json
import sys

from honest import Adapter


class HalfFrames(Adapter):
    def send(self, reply, payload):
        line = json.dumps({**reply, "nbytes": len(payload)}).encode() + b"\n"
        sys.stdout.buffer.write(line + payload[: len(payload) // 2])
        sys.stdout.buffer.flush()


HalfFrames().serve()
