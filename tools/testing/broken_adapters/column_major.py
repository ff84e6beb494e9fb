"""Writes the elements of matrices in column-major order."""

from honest import Adapter


class ColumnMajor(Adapter):
    def output(self, name, shape, y, mask):
        if name == "y" and len(shape) == 2:
            rows, columns = shape
            y = [y[row * columns + column] for column in range(columns) for row in range(rows)]
        return super().output(name, shape, y, mask)


ColumnMajor().serve()
