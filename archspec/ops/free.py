"""The ops without variables on one tensor: activations, pools, and what moves pixels about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.kinds import Amounts, Padding, Size2
from archspec.ops.base import POINT, FreeOp, Reach, Shape, ShapeError, need_map, part, seed_of, show, volume
from archspec.ops.window import padded, slide

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
    """The largest or the mean of each window. Pixels that `same` adds do not count, zeros given by hand do."""

    function: str
    kernel: Size2 = (2, 2)
    stride: int = 2
    padding: Padding = "same"

    def shape(self, *inputs: Shape) -> Shape:
        _, _, channels = need_map(inputs[0], "a pool")
        if self.function == "avg" and self.padding not in ("same", "valid"):
            raise ShapeError("an average pool pads `same` or `valid`: explicit zeros would count into the mean")
        return (*slide(self.padding, self.kernel, self.stride, inputs[0]), channels)

    def reach(self, *inputs: Shape) -> Reach:
        return Reach(self.kernel, self.stride)

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        x, padding = padded(keras, name, inputs[0], self.padding, self.kernel, self.stride, zeros_matter=True)
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
        height, width = inputs[0][:2]
        return Reach((height, width), max(height, width))

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        layer = keras.layers.GlobalMaxPooling2D if self.function == "max" else keras.layers.GlobalAveragePooling2D
        return layer(keepdims=self.keep, name=name)(inputs[0])


@dataclass(frozen=True)
class Scale(FreeOp):
    """Every element times one fixed number. Behind a convolution TFLite folds it into the kernel."""

    factor: float
    in_place = True

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Rescaling(self.factor, name=name)(inputs[0])


@dataclass(frozen=True)
class Resize(FreeOp):
    """A map brought to a size (height, width) by interpolation; half-pixel centres, as tf.image.resize."""

    size: Size2
    method: str = "bilinear"

    def shape(self, *inputs: Shape) -> Shape:
        return (*self.size, need_map(inputs[0], "a resize")[2])

    def reach(self, *inputs: Shape) -> Reach:
        (height, width), (high, wide) = inputs[0][:2], self.size
        was, now = (height, high) if height * wide > width * high else (width, wide)
        # two neighbours are mixed, except where pixels are only copied
        copies = self.method == "nearest" or inputs[0][:2] in (self.size, (1, 1))
        return Reach((1, 1) if copies else (2, 2), was, now)

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Resizing(*self.size, interpolation=self.method, name=name)(inputs[0])


@dataclass(frozen=True)
class Pad(FreeOp):
    """Zeros around a map: ((top, bottom), (left, right)), and channels of zeros in front and behind."""

    zeros: Amounts
    channels: Size2 = (0, 0)

    def shape(self, *inputs: Shape) -> Shape:
        height, width, channels = need_map(inputs[0], "padding")
        return height + sum(self.zeros[0]), width + sum(self.zeros[1]), channels + sum(self.channels)

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        if not any(self.channels):
            return keras.layers.ZeroPadding2D(self.zeros, name=name)(inputs[0])
        top = (self.zeros[0], (0, 0))
        x = keras.layers.ZeroPadding2D(top, name=part(name, "rows"))(inputs[0]) if any(self.zeros[0]) else inputs[0]
        # "channels_first" pads the last two axes, here width and channels
        sides = (self.zeros[1], self.channels)
        return keras.layers.ZeroPadding2D(sides, data_format="channels_first", name=name)(x)


@dataclass(frozen=True)
class Dropout(FreeOp):
    """Sets a share `drop` of the elements to zero while training; nothing otherwise."""

    drop: float
    in_place = True

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Dropout(self.drop, seed=seed_of(name), name=name)(inputs[0])


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
            sizes = f"{volume(inputs[0])} elements, not {volume(target)}"
            raise ShapeError(f"cannot reshape {show(inputs[0])} to {show(target)}: {sizes}")
        return target

    def reach(self, *inputs: Shape) -> Reach:
        if len(self.target) == 3 or len(inputs[0]) == 1:
            return POINT
        height, width = inputs[0][:2]
        return Reach((height, width), max(height, width))

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        if not self.target:
            return keras.layers.Flatten(name=name)(inputs[0])
        return keras.layers.Reshape(self.target, name=name)(inputs[0])
