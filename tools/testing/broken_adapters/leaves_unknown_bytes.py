"""Does not read the bytes of a request that it does not know."""

import json
import sys

from honest import Adapter


class LeavesUnknownBytes(Adapter):
    def serve(self):
        while line := sys.stdin.buffer.readline():
            request = json.loads(line)
            known = request["cmd"] in ("start", "run", "backward", "release", "stop")
            payload = self.read(request.get("nbytes", 0)) if known else b""
            reply, sent = self.answer(request, payload)
            self.send({**reply, "seq": request["seq"]}, sent)
            if request["cmd"] == "stop":
                return


LeavesUnknownBytes().serve()
