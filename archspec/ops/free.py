"""The ops without variables: activations, pools, merges, and what moves channels and pixels about."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from archspec.kinds import Amounts, Size2
from archspec.ops.base import POINT, FreeOp, Reach, Shape, ShapeError, need_map, show, volume
from archspec.ops.window import Pad, padded, slide

LEAK = 0.2  # slope of leaky_relu below zero, TensorFlow's default


@dataclass(frozen=True)
class Activation(FreeOp):
    """A function of each element (softmax: of each pixel's channels)."""

    function: str
    in_place = True

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        if self.function == "leaky_relu":
            return keras.layers.LeakyReLU(negative_slope=LEAK, name=name)(inputs[0])
        return keras.layers.Activation(self.function, name=name)(inputs[0])


@dataclass(frozen=True)
class Pool(FreeOp):
    """The largest or the mean of each window. Zeros of `same` padding do not count into a mean."""

    function: str
    kernel: Size2 = (2, 2)
    stride: int = 2
    padding: Pad = "same"

    def shape(self, *inputs: Shape) -> Shape:
        _, _, channels = need_map(inputs[0], "a pool")
        if self.function == "avg" and self.padding not in ("same", "valid"):
            raise ShapeError("an average pool pads `same` or `valid`: explicit zeros would count into the mean")
        return (*slide(self.padding, self.kernel, self.stride, inputs[0]), channels)

    def reach(self, *inputs: Shape) -> Reach:
        return Reach(max(self.kernel), Fraction(self.stride))

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        x, padding = padded(keras, name, inputs[0], self.padding, self.kernel, self.stride)
        layer = keras.layers.MaxPooling2D if self.function == "max" else keras.layers.AveragePooling2D
        return layer(self.kernel, strides=self.stride, padding=padding, name=name)(x)


@dataclass(frozen=True)
class GlobalPool(FreeOp):
    """The mean or the largest of a whole map: a vector, or a 1×1 map where `keep` is set."""

    function: str = "avg"
    keep: bool = False

    def shape(self, *inputs: Shape) -> Shape:
        _, _, channels = need_map(inputs[0], "a global pool")
        return (1, 1, channels) if self.keep else (channels,)

    def reach(self, *inputs: Shape) -> Reach:
        side = max(inputs[0][:2])
        return Reach(side, Fraction(side))

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        layer = keras.layers.GlobalMaxPooling2D if self.function == "max" else keras.layers.GlobalAveragePooling2D
        return layer(keepdims=self.keep, name=name)(inputs[0])


def _several(inputs: tuple[Shape, ...], what: str) -> None:
    if len(inputs) < 2:
        raise ShapeError(f"{what} needs two inputs or more, not {len(inputs)}")


def _all(shapes: tuple[Shape, ...]) -> str:
    return ", ".join(show(s) for s in shapes)


@dataclass(frozen=True)
class Add(FreeOp):
    """The sum of equal shapes."""

    def shape(self, *inputs: Shape) -> Shape:
        _several(inputs, "a sum")
        if len(set(inputs)) > 1:
            raise ShapeError(f"cannot add {_all(inputs)}: shapes must be equal")
        return inputs[0]

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Add(name=name)(inputs)


@dataclass(frozen=True)
class Multiply(FreeOp):
    """The product of equal shapes, or of a map and a 1×1 map of the same channels."""

    def shape(self, *inputs: Shape) -> Shape:
        _several(inputs, "a product")
        largest = max(inputs, key=volume)
        for shape in inputs:
            gate = len(largest) == 3 and shape == (1, 1, largest[2])
            if shape != largest and not gate:
                raise ShapeError(f"cannot multiply {_all(inputs)}: shapes must be equal, or one a 1×1 map")
        return largest

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Multiply(name=name)(inputs)


@dataclass(frozen=True)
class Concat(FreeOp):
    """Channels side by side."""

    def shape(self, *inputs: Shape) -> Shape:
        _several(inputs, "a concatenation")
        if len({shape[:-1] for shape in inputs}) > 1:
            raise ShapeError(f"cannot concatenate {_all(inputs)}: sizes must be equal")
        return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Concatenate(name=name)(inputs)


@dataclass(frozen=True)
class Split(FreeOp):
    """Channels in equal parts; every part is an output, so that no channel is lost unseen."""

    parts: int

    def shape(self, *inputs: Shape) -> Shape:
        if inputs[0][-1] % self.parts:
            raise ShapeError(f"{inputs[0][-1]} channels do not split into {self.parts} equal parts")
        return (*inputs[0][:-1], inputs[0][-1] // self.parts)

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.ops.split(inputs[0], self.parts, axis=-1)


@dataclass(frozen=True)
class Shuffle(FreeOp):
    """Channels dealt out over groups (ShuffleNet, Zhang et al. 2017): as a matrix (groups, rest), transposed.

    Pixels share one axis meanwhile, so that the tensor never has more than four axes: TFLite runs those well.
    """

    groups: int

    def shape(self, *inputs: Shape) -> Shape:
        _, _, channels = need_map(inputs[0], "a shuffle")
        if channels % self.groups:
            raise ShapeError(f"{self.groups} groups do not divide {channels} channels")
        return inputs[0]

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        height, width, channels = inputs[0].shape[1:]
        x = keras.layers.Reshape((height * width, self.groups, channels // self.groups), name=f"{name}_deal")(inputs[0])
        x = keras.layers.Permute((1, 3, 2), name=f"{name}_swap")(x)
        return keras.layers.Reshape((height, width, channels), name=name)(x)


@dataclass(frozen=True)
class Resize(FreeOp):
    """A map `factor` times as high and wide; half-pixel centres, as tf.image.resize."""

    factor: int = 2
    method: str = "bilinear"

    def shape(self, *inputs: Shape) -> Shape:
        height, width, channels = need_map(inputs[0], "a resize")
        return height * self.factor, width * self.factor, channels

    def reach(self, *inputs: Shape) -> Reach:
        return Reach(1 if self.method == "nearest" else 2, Fraction(1, self.factor))

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        height, width, _ = self.shape(tuple(inputs[0].shape[1:]))
        return keras.layers.Resizing(height, width, interpolation=self.method, name=name)(inputs[0])


@dataclass(frozen=True)
class Pad(FreeOp):
    """Rows and columns of zeros: ((top, bottom), (left, right))."""

    zeros: Amounts

    def shape(self, *inputs: Shape) -> Shape:
        height, width, channels = need_map(inputs[0], "padding")
        return height + sum(self.zeros[0]), width + sum(self.zeros[1]), channels

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.ZeroPadding2D(self.zeros, name=name)(inputs[0])


@dataclass(frozen=True)
class Dropout(FreeOp):
    """Sets a share `drop` of the elements to zero while training; nothing otherwise."""

    drop: float
    in_place = True

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Dropout(self.drop, name=name)(inputs[0])


@dataclass(frozen=True)
class Reshape(FreeOp):
    """The same elements under another shape; none: one long vector."""

    target: Shape = ()
    in_place = True

    def shape(self, *inputs: Shape) -> Shape:
        target = self.target or (volume(inputs[0]),)
        if len(target) == 2:
            raise ShapeError(f"a shape is a map of three sizes or a vector of one, not {show(target)}")
        if volume(target) != volume(inputs[0]):
            raise ShapeError(f"cannot reshape {show(inputs[0])} to {show(target)}: {volume(inputs[0])} elements, not {volume(target)}")
        return target

    def reach(self, *inputs: Shape) -> Reach:
        if len(self.target) == 3 or len(inputs[0]) == 1:
            return POINT
        side = max(inputs[0][:2])
        return Reach(side, Fraction(side))

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        if not self.target:
            return keras.layers.Flatten(name=name)(inputs[0])
        return keras.layers.Reshape(self.target, name=name)(inputs[0])
