"""Writes a line to standard error for every element."""

import sys

from honest import Adapter


class FloodsStandardError(Adapter):
    def run(self, request, payload):
        if request["train"]:
            print("dropping an element\n" * min(len(payload) // 4, 4096), file=sys.stderr)
        return super().run(request, payload)


FloodsStandardError().serve()
