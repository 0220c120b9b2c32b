"""CIFAR-100's binary files: records of a coarse label, a fine one, and the pixels."""

from archspec.train.sources import Asked
from archspec.train.sources.cifar10 import Cifar, open_binary


def open_source(asked: Asked, path: str | None) -> Cifar:
    """A folder with train.bin, or one .bin file. The fine label counts. Raises ExampleError."""
    return open_binary(asked, path, "train.bin", "fine_label_names.txt", 2, 100)
