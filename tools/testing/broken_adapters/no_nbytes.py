"""Sends bytes without announcing them."""

import json
import sys

from honest import Adapter


class NoNbytes(Adapter):
    def send(self, reply, payload):
        sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n" + payload)
        sys.stdout.buffer.flush()


NoNbytes().serve()
