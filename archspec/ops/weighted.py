"""The ops that hold variables: convolutions, dense layers, batch norm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from archspec.kinds import Padding, Size2
from archspec.ops.base import Op, Reach, Shape, ShapeError, Weight, need_map, seed_of, show, volume
from archspec.ops.window import padded, reach_of, slide


@dataclass(frozen=True)
class Fill:
    """How a kernel begins and what holds it back: initializer, l2 penalty, trainable or frozen.

    The penalty is `l2` times half the sum of squares, as tf.nn.l2_loss, Slim's l2_regularizer and PyTorch's
    weight_decay mean it, so that published numbers hold as they are printed.
    """

    initializer: str = "glorot_uniform"
    l2: float = 0.0
    trainable: bool = True

    def arguments(self, keras: Any, name: str, prefix: str) -> dict[str, Any]:
        """Keras arguments for the kernel of the layer `name`; `prefix` is what Keras calls a kernel there."""
        seed = seed_of(name)
        made = {
            "glorot_uniform": lambda: keras.initializers.GlorotUniform(seed=seed),
            "he_normal": lambda: keras.initializers.HeNormal(seed=seed),
            "truncated_normal": lambda: keras.initializers.TruncatedNormal(stddev=0.09, seed=seed),
            "bilinear": keras.initializers.Zeros,  # `lower` puts the values in: Keras has no such initializer
        }[self.initializer]()
        regularizer = keras.regularizers.L2(self.l2 / 2) if self.l2 else None  # Keras leaves out the half
        return {f"{prefix}_initializer": made, f"{prefix}_regularizer": regularizer, "trainable": self.trainable}


def _not_bilinear(fill: Fill) -> None:
    if fill.initializer == "bilinear":
        raise ShapeError("`bilinear` weights are a transposed convolution's")


def _biased(weights: list[Weight], bias: bool, channels: int, trainable: bool) -> tuple[Weight, ...]:
    return tuple([*weights, Weight("bias", (channels,), trainable)] if bias else weights)


@dataclass(frozen=True)
class Conv(Op):
    """Convolution, grouped and atrous too. Kernel (height, width, in / groups, depth)."""

    depth: int
    kernel: Size2 = (3, 3)
    stride: int = 1
    rate: int = 1
    groups: int = 1
    bias: bool = False
    padding: Padding = "same"
    fill: Fill = Fill()
    kind = "conv"

    @property
    def extents(self) -> Size2:
        return reach_of(self.kernel[0], self.rate), reach_of(self.kernel[1], self.rate)

    def shape(self, *inputs: Shape) -> Shape:
        _, _, channels = need_map(inputs[0], "a convolution")
        _not_bilinear(self.fill)
        if channels % self.groups or self.depth % self.groups:
            raise ShapeError(f"{self.groups} groups do not divide {channels} channels in and {self.depth} out")
        if self.stride > 1 and self.rate > 1:
            raise ShapeError(f"a convolution has a stride or a rate above 1, not both: {self.stride}, {self.rate}")
        return (*slide(self.padding, self.extents, self.stride, inputs[0]), self.depth)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        kernel = Weight("kernel", (*self.kernel, inputs[0][2] // self.groups, self.depth), self.fill.trainable)
        return _biased([kernel], self.bias, self.depth, self.fill.trainable)

    def macs(self, *inputs: Shape) -> int:
        return volume(self.shape(*inputs)) * self.kernel[0] * self.kernel[1] * (inputs[0][2] // self.groups)

    def reach(self, *inputs: Shape) -> Reach:
        return Reach(self.extents, self.stride)

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        x, padding = padded(keras, name, inputs[0], self.padding, self.extents, self.stride)
        return keras.layers.Conv2D(
            self.depth, self.kernel, strides=self.stride, padding=padding, dilation_rate=self.rate,
            groups=self.groups, use_bias=self.bias, name=name, **self.fill.arguments(keras, name, "kernel"),
        )(x)  # fmt: skip


@dataclass(frozen=True)
class DepthwiseConv(Op):
    """One kernel (or `multiplier`) a channel. Kernel (height, width, in, multiplier)."""

    kernel: Size2 = (3, 3)
    stride: int = 1
    rate: int = 1
    multiplier: int = 1
    bias: bool = False
    padding: Padding = "same"
    fill: Fill = Fill()
    kind = "depthwise"

    @property
    def extents(self) -> Size2:
        return reach_of(self.kernel[0], self.rate), reach_of(self.kernel[1], self.rate)

    def shape(self, *inputs: Shape) -> Shape:
        _, _, channels = need_map(inputs[0], "a depthwise convolution")
        _not_bilinear(self.fill)
        if self.stride > 1 and self.rate > 1:
            raise ShapeError(f"a convolution has a stride or a rate above 1, not both: {self.stride}, {self.rate}")
        return (*slide(self.padding, self.extents, self.stride, inputs[0]), channels * self.multiplier)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        channels = inputs[0][2]
        kernel = Weight("kernel", (*self.kernel, channels, self.multiplier), self.fill.trainable)
        return _biased([kernel], self.bias, channels * self.multiplier, self.fill.trainable)

    def macs(self, *inputs: Shape) -> int:
        return volume(self.shape(*inputs)) * self.kernel[0] * self.kernel[1]

    def reach(self, *inputs: Shape) -> Reach:
        return Reach(self.extents, self.stride)

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        x, padding = padded(keras, name, inputs[0], self.padding, self.extents, self.stride)
        return keras.layers.DepthwiseConv2D(
            self.kernel, strides=self.stride, padding=padding, dilation_rate=self.rate, use_bias=self.bias,
            depth_multiplier=self.multiplier, name=name, **self.fill.arguments(keras, name, "depthwise"),
        )(x)  # fmt: skip


@dataclass(frozen=True)
class TransposeConv(Op):
    """Transposed convolution: each input pixel paints a kernel. Kernel (height, width, depth, in)."""

    depth: int
    kernel: Size2
    stride: int
    bias: bool = True
    padding: Padding = "same"
    fill: Fill = Fill()
    kind = "transpose"

    def shape(self, *inputs: Shape) -> Shape:
        height, width, channels = need_map(inputs[0], "a transposed convolution")
        if self.padding not in ("same", "valid"):
            raise ShapeError("a transposed convolution pads `same` or `valid`")
        if self.fill.initializer == "bilinear" and self.depth != channels:
            raise ShapeError(f"`bilinear` weights need as many channels out as in: {self.depth}, {channels}")
        more = (0, 0) if self.padding == "same" else tuple(max(k - self.stride, 0) for k in self.kernel)
        return height * self.stride + more[0], width * self.stride + more[1], self.depth

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        kernel = Weight("kernel", (*self.kernel, self.depth, inputs[0][2]), self.fill.trainable)
        return _biased([kernel], self.bias, self.depth, self.fill.trainable)

    def macs(self, *inputs: Shape) -> int:
        return volume(inputs[0]) * self.kernel[0] * self.kernel[1] * self.depth

    def reach(self, *inputs: Shape) -> Reach:
        height, width = (math.ceil(k / self.stride) for k in self.kernel)
        return Reach((height, width), 1, self.stride)

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Conv2DTranspose(
            self.depth, self.kernel, strides=self.stride, padding=self.padding, use_bias=self.bias, name=name,
            **self.fill.arguments(keras, name, "kernel"),
        )(inputs[0])  # fmt: skip


@dataclass(frozen=True)
class Dense(Op):
    """A matrix on a vector. Kernel (in, units)."""

    units: int
    bias: bool = True
    fill: Fill = Fill()
    kind = "dense"

    def shape(self, *inputs: Shape) -> Shape:
        _not_bilinear(self.fill)
        if len(inputs[0]) != 1:
            raise ShapeError(f"a dense layer needs a vector, not a map of {show(inputs[0])}")
        return (self.units,)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        kernel = Weight("kernel", (inputs[0][0], self.units), self.fill.trainable)
        return _biased([kernel], self.bias, self.units, self.fill.trainable)

    def macs(self, *inputs: Shape) -> int:
        return inputs[0][0] * self.units

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        arguments = self.fill.arguments(keras, name, "kernel")
        return keras.layers.Dense(self.units, use_bias=self.bias, name=name, **arguments)(inputs[0])


@dataclass(frozen=True)
class BatchNorm(Op):
    """Batch normalization (Ioffe and Szegedy 2015): four numbers a channel, three without `scale`."""

    scale: bool = True
    epsilon: float = 1e-3
    momentum: float = 0.99
    trainable: bool = True
    kind = "norm"
    in_place = True

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        channels = (inputs[0][-1],)
        learned = [Weight(role, channels, self.trainable) for role in (["gamma"] if self.scale else []) + ["beta"]]
        return (*learned, Weight("moving_mean", channels, False), Weight("moving_variance", channels, False))

    def macs(self, *inputs: Shape) -> int:
        return 0

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.BatchNormalization(
            momentum=self.momentum, epsilon=self.epsilon, scale=self.scale, trainable=self.trainable, name=name
        )(inputs[0])
