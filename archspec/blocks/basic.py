"""Convolutions with what stands around them, heads, pools and merges: one row, one op or one small group."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from archspec import ops
from archspec.blocks.registry import block
from archspec.graph import Net, Tensor
from archspec.kinds import (
    Act,
    Depth,
    Flag,
    Initializer,
    Kernel,
    PadAmounts,
    Padding,
    Penalty,
    Pooling,
    Rate,
    Resampling,
    Shape1To3,
    Share,
    Small,
    Stride,
    Units,
    UpStride,
)  # fmt: skip

Tensors = Sequence[Tensor]


@dataclass(frozen=True)
class Style:
    """The options of every block that holds convolutions, as Slim's arg_scope gives them."""

    norm: Flag = True
    norm_after_activation: Flag = False
    norm_scale: Flag = True
    epsilon: Small = 1e-3
    momentum: Share = 0.99
    bias: Flag | None = None
    padding: Padding = "same"
    initializer: Initializer = "glorot_uniform"
    l2: Penalty = 0.0
    trainable: Flag = True

    @property
    def has_bias(self) -> bool:
        """A bias where no batch norm follows, unless the spec says otherwise."""
        return not self.norm if self.bias is None else self.bias

    @cached_property
    def fill(self) -> ops.Fill:
        return ops.Fill(self.initializer, self.l2, self.trainable)

    @cached_property
    def batch_norm(self) -> ops.BatchNorm:
        return ops.BatchNorm(self.norm_scale, self.epsilon, self.momentum, self.trainable)


STYLE = Style()
PLAIN = Style(norm=False)


def finish(net: Net, x: Tensor, *, role: str, activation: str, style: Style) -> Tensor:
    """Batch norm and activation after a convolution called `role`, in the order that the style asks for."""
    steps: list[tuple[ops.Op, str]] = []
    if activation != "none":
        steps.append((ops.Activation(activation), f"{role}_{activation}"))
    if style.norm:
        steps.insert(len(steps) if style.norm_after_activation else 0, (style.batch_norm, f"{role}_bn"))
    for op, name in steps:
        x = net.add(op, x, role=name)
    return x


def conv(
    net: Net, x: Tensor, depth: int, kernel: tuple[int, int], *, role: str, style: Style, activation: str = "none",
    stride: int = 1, rate: int = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """A convolution with its batch norm and activation."""
    op = ops.Conv(depth, kernel, stride, rate, groups, style.has_bias, style.padding, style.fill)
    return finish(net, net.add(op, x, role=role), role=role, activation=activation, style=style)


def depthwise(
    net: Net, x: Tensor, kernel: tuple[int, int], *, role: str, style: Style, activation: str = "none",
    stride: int = 1, rate: int = 1, multiplier: int = 1,
) -> Tensor:  # fmt: skip
    """A depthwise convolution with its batch norm and activation."""
    op = ops.DepthwiseConv(kernel, stride, rate, multiplier, style.has_bias, style.padding, style.fill)
    return finish(net, net.add(op, x, role=role), role=role, activation=activation, style=style)


@block
def Conv(
    net: Net, x: Tensor, *, depth: Depth, kernel: Kernel = (3, 3), stride: Stride = 1, rate: Rate = 1,
    groups: Units = 1, activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """A convolution, batch norm, an activation."""
    return conv(
        net, x, depth, kernel, role="conv", style=style, activation=activation, stride=stride, rate=rate, groups=groups
    )


@block
def DepthwiseConv(
    net: Net, x: Tensor, *, kernel: Kernel = (3, 3), stride: Stride = 1, rate: Rate = 1, multiplier: Units = 1,
    activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """A depthwise convolution (one kernel a channel), batch norm, an activation."""
    return depthwise(
        net, x, kernel, role="depthwise", style=style, activation=activation, stride=stride, rate=rate,
        multiplier=multiplier,
    )  # fmt: skip


@block
def TransposeConv(
    net: Net, x: Tensor, *, depth: Depth, kernel: Kernel, stride: UpStride = 2, activation: Act = "relu",
    style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """A transposed convolution, batch norm, an activation. Output size: input size times stride."""
    op = ops.TransposeConv(depth, kernel, stride, style.has_bias, style.padding, style.fill)
    return finish(net, net.add(op, x, role="conv"), role="conv", activation=activation, style=style)


@block
def Logits(net: Net, x: Tensor, *, depth: Units, kernel: Kernel = (1, 1), style: Style = PLAIN) -> Tensor:
    """The network's last convolution: bias, no batch norm, no activation, a depth that no width multiplies."""
    return conv(net, x, depth, kernel, role="conv", style=style)


@block
def Dense(
    net: Net, x: Tensor, *, units: Units, activation: Act = "none", bias: Flag = True,
    initializer: Initializer = "glorot_uniform", l2: Penalty = 0.0, trainable: Flag = True,
) -> Tensor:  # fmt: skip
    """A fully connected layer on a vector."""
    x = net.add(ops.Dense(units, bias, ops.Fill(initializer, l2, trainable)), x, role="dense")
    return x if activation == "none" else net.add(ops.Activation(activation), x, role=activation)


@block
def BatchNorm(
    net: Net, x: Tensor, *, norm_scale: Flag = True, epsilon: Small = 1e-3, momentum: Share = 0.99,
    trainable: Flag = True,
) -> Tensor:  # fmt: skip
    """Batch normalization by itself (Ioffe and Szegedy 2015)."""
    return net.add(ops.BatchNorm(norm_scale, epsilon, momentum, trainable), x, role="bn")


@block
def Activation(net: Net, x: Tensor, *, activation: Act) -> Tensor:
    """An activation by itself."""
    return x if activation == "none" else net.add(ops.Activation(activation), x)


@block
def MaxPool(net: Net, x: Tensor, *, kernel: Kernel = (2, 2), stride: Stride = 2, padding: Padding = "same") -> Tensor:
    """The largest of each window."""
    return net.add(ops.Pool("max", kernel, stride, padding), x)


@block
def AvgPool(
    net: Net, x: Tensor, *, kernel: Kernel = (2, 2), stride: Stride = 2, padding: Padding = "same", shrink: Flag = False
) -> Tensor:
    """The mean of each window; zeros of the padding do not count.

    With `shrink` a window is no larger than the map: Slim's _reduced_kernel_size_for_small_input.
    """
    if shrink and len(x.shape) == 3:
        kernel = min(kernel[0], x.shape[0]), min(kernel[1], x.shape[1])
    return net.add(ops.Pool("avg", kernel, stride, padding), x)


@block
def GlobalPool(net: Net, x: Tensor, *, pool: Pooling = "avg", keep: Flag = False) -> Tensor:
    """The mean (or the largest) of a whole map: a vector, or a 1×1 map with `keep`."""
    return net.add(ops.GlobalPool(pool, keep), x)


@block
def Add(net: Net, xs: Tensors, *, activation: Act = "none") -> Tensor:
    """The sum of rows of equal shape."""
    x = net.add(ops.Add(), *xs, role="sum" if activation != "none" else "")
    return x if activation == "none" else net.add(ops.Activation(activation), x)


@block
def Multiply(net: Net, xs: Tensors) -> Tensor:
    """The product of rows of equal shape, or of a map and its gate: a 1×1 map of as many channels."""
    return net.add(ops.Multiply(), *xs)


@block
def Concat(net: Net, xs: Tensors) -> Tensor:
    """Channels of rows of equal size, side by side."""
    return net.add(ops.Concat(), *xs)


@block
def Shuffle(net: Net, x: Tensor, *, groups: Units) -> Tensor:
    """Channels dealt out over groups (ShuffleNet, Zhang et al. 2017, figure 1)."""
    return net.add(ops.Shuffle(groups), x)


@block
def Resize(net: Net, xs: Tensors, *, factor: Units = 2, method: Resampling = "bilinear") -> Tensor:
    """A map `factor` times as high and wide, or as large as the second row that is read; half-pixel centres.

    `from: [logits, input]` brings `logits` to the size of the image.
    """
    if len(xs) > 2 or any(len(x.shape) != 3 for x in xs):
        raise ops.ShapeError("a resize reads a map, and a second one where it takes that one's size")
    height, width, _ = xs[-1].shape
    size = (height, width) if len(xs) == 2 else (height * factor, width * factor)
    return net.add(ops.Resize(size, method), xs[0])


@block
def Pad(net: Net, x: Tensor, *, zeros: PadAmounts) -> Tensor:
    """Rows and columns of zeros around a map."""
    return net.add(ops.Pad(zeros), x)


@block
def Dropout(net: Net, x: Tensor, *, drop: Share) -> Tensor:
    """Sets a share of the elements to zero while training (Srivastava et al. 2014)."""
    return net.add(ops.Dropout(drop), x)


@block
def Flatten(net: Net, x: Tensor) -> Tensor:
    """A map as one vector, row by row."""
    return net.add(ops.Reshape(), x)


@block
def Reshape(net: Net, x: Tensor, *, shape: Shape1To3) -> Tensor:
    """The same elements under another shape: [height, width, channels] or [channels]."""
    return net.add(ops.Reshape(shape), x)
