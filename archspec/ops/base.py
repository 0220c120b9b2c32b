"""What every op knows about itself: shape rule, weights, MACs, reach, lowering."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

Shape = tuple[int, ...]
"""A tensor without its batch axis: (height, width, channels) for a map, (channels,) for a vector."""


class ShapeError(Exception):
    """An op cannot take these inputs. The message says what the op knows: shapes and amounts, no places."""


class Weight(NamedTuple):
    """One variable of an op: `role` and layout are Keras's (kernel: height, width, in, out)."""

    role: str
    shape: Shape
    trainable: bool = True

    @property
    def size(self) -> int:
        return volume(self.shape)


class Reach(NamedTuple):
    """How far one output pixel looks: `extent` input pixels (height, width), `stride` / `zoom` input pixels apart.

    Source: Araujo et al., Computing Receptive Fields of Convolutional Neural Networks, Distill 2019.
    """

    extent: tuple[int, int] = (1, 1)
    stride: int = 1
    zoom: int = 1


POINT = Reach()


class Op:
    """A primitive op. Frozen; shapes come in as arguments. `kind` is what a file of weights calls it."""

    __slots__ = ()
    kind = ""
    outputs = 1  # tensors of one shape that it gives
    in_place = False  # a runtime writes its output over its input, or folds it into the op before

    def shape(self, *inputs: Shape) -> Shape:
        """The output's shape. Raises ShapeError."""
        raise NotImplementedError

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The op's variables, in Keras's order."""
        raise NotImplementedError

    def macs(self, *inputs: Shape) -> int:
        """Multiplies of convolutions and dense layers, batch 1 (the convention stands in `cost`)."""
        raise NotImplementedError

    def reach(self, *inputs: Shape) -> Reach:
        """The window of one output pixel, the larger of the two axes."""
        return POINT

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        """The op on Keras tensors; `keras` is the module, so that nothing here imports it."""
        raise NotImplementedError


class FreeOp(Op):
    """An op without variables and, by the convention, without MACs."""

    __slots__ = ()

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        return ()

    def macs(self, *inputs: Shape) -> int:
        return 0


def part(name: str, role: str | int) -> str:
    """The name of a further Keras layer that an op needs. The dot keeps it apart from the names of all nodes."""
    return f"{name}.{role}"


def seed_of(name: str) -> int:
    """A seed made of a layer's name, so that a network is the same in every process."""
    return zlib.crc32(name.encode())


def volume(shape: Shape) -> int:
    """Elements of a tensor."""
    size = 1
    for side in shape:
        size *= side
    return size


def show(shape: Shape) -> str:
    """A shape as people read it: 128×128×12."""
    return "×".join(str(side) for side in shape)


def need_map(shape: Shape, what: str) -> tuple[int, int, int]:
    """The shape as (height, width, channels). Raises ShapeError for a vector."""
    if len(shape) != 3:
        raise ShapeError(f"{what} needs a map, not a vector of {show(shape)}")
    return shape[0], shape[1], shape[2]
