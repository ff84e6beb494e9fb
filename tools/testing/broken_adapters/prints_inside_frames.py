"""Prints to standard output between the line of a reply and its bytes."""

import json
import sys

from honest import Adapter


class PrintsInsideFrames(Adapter):
    def send(self, reply, payload):
        if payload:
            reply = {**reply, "nbytes": len(payload)}
        print(json.dumps(reply))
        if payload:
            print("here comes the tensor")
        sys.stdout.flush()
        sys.stdout.buffer.write(payload)
        sys.stdout.buffer.flush()


PrintsInsideFrames().serve()
