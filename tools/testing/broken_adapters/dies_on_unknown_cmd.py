"""Ends when it is asked what it does not know."""

import sys

from honest import Adapter


class DiesOnUnknownCmd(Adapter):
    def unknown(self, request):
        sys.exit(f"what is {request['cmd']}?")


DiesOnUnknownCmd().serve()
