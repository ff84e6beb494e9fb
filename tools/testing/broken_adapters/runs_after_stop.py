"""Answers stop and goes on."""

import time

from honest import Adapter


class RunsAfterStop(Adapter):
    def stopped(self):
        time.sleep(1000)


RunsAfterStop().serve()
