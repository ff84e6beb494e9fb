"""Takes p for the probability to keep."""

from honest import Adapter


class KeepProbability(Adapter):
    def number(self, value):
        return 1 - super().number(value)


KeepProbability().serve()
