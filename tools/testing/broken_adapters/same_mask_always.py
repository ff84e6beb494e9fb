"""Takes every seed for the same one."""

from honest import Adapter


class SameMaskAlways(Adapter):
    def reseed(self, seed):
        if seed is not None:
            self.generator.seed(1)


SameMaskAlways().serve()
