"""Separable convolutions, and Xception's blocks of them."""

from dataclasses import replace

from archspec import ops
from archspec.blocks.basic import STYLE, Style, conv, depthwise
from archspec.blocks.registry import block
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Flag, Kernel, Rate, Stride, Units


def separable(
    net: Net, x: Tensor, depth: int, kernel: tuple[int, int], *, role: str, style: Style, activation: str = "none",
    stride: int = 1, rate: int = 1, multiplier: int = 1,
) -> Tensor:  # fmt: skip
    """A depthwise and a 1×1 convolution with nothing between; a bias, batch norm and activation after both."""
    bare = replace(style, norm=False, bias=False)
    x = depthwise(net, x, kernel, role=f"{role}depthwise", style=bare, stride=stride, rate=rate, multiplier=multiplier)
    return conv(net, x, depth, (1, 1), role=f"{role}pointwise", style=style, activation=activation)


@block
def SeparableConv(
    net: Net, x: Tensor, *, depth: Depth, kernel: Kernel = (3, 3), stride: Stride = 1, rate: Rate = 1,
    multiplier: Units = 1, activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """A depthwise and a 1×1 convolution with nothing between, as Keras's SeparableConv2D; batch norm, an activation.

    Source: Xception, Chollet 2016 (arXiv 1610.02357), section 4.7 and figure 10: an activation between the two hurts.
    MobileNet has one there, and batch norm (`DepthSepConv`). `norm: false, activation: none` is the `separable_conv2d`
    of Cinnamon AI's tour of light networks, with one bias, behind the 1×1 convolution.
    """
    return separable(
        net, x, depth, kernel, role="", style=style, activation=activation, stride=stride, rate=rate,
        multiplier=multiplier,
    )  # fmt: skip


@block
def XceptionBlock(
    net: Net, x: Tensor, *, depth: Depth, first_depth: Depth | None = None, layers: Units = 3, stride: Stride = 1,
    rate: Rate = 1, activation: Act = "relu", activate_input: Flag = True, style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Separable 3×3 convolutions, an activation before each and batch norm after, and their input added.

    Source: Xception, Chollet 2016 (arXiv 1610.02357), figure 5: `layers: 2` and `stride: 2` in the entry and the exit
    flow, three layers in the middle flow. A stride is a 3×3 max pool at the end; the input then goes through a
    strided 1×1 convolution, as it does where the depths differ. The first block of the entry flow lacks the first
    activation (`activate_input: false`), the exit flow's first layer keeps the depth (`first_depth`).
    """
    y = x
    for i in range(1, layers + 1):
        if i > 1 or (activate_input and activation != "none"):
            y = y if activation == "none" else net.add(ops.Activation(activation), y, role=f"sep{i}_{activation}")
        wide = first_depth if i == 1 and first_depth is not None else depth
        y = separable(net, y, wide, (3, 3), role=f"sep{i}_", style=style, rate=rate)
    if stride != 1:
        y = net.add(ops.Pool("max", (3, 3), stride, style.padding), y, role="pool")
    if y.shape != x.shape:
        x = conv(net, x, depth, (1, 1), role="shortcut", style=style, stride=stride)
    return net.add(ops.Add(), y, x, role="add")
