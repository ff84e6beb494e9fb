"""Takes p for a number, which the text "nan" is not."""

from honest import Adapter


class DiesOnNan(Adapter):
    def number(self, value):
        if value == "nan":
            raise TypeError("p must be a number")
        return super().number(value)


DiesOnNan().serve()
