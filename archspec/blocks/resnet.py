"""Blocks of the residual networks."""

from dataclasses import replace
from typing import Annotated

from archspec import ops
from archspec.blocks.basic import STYLE, Style, conv, finish
from archspec.blocks.registry import block
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Flag, Kind, Rate, Stride

Widening = Annotated[str, Kind("one of `project`, `pad`", {"enum": ["project", "pad"]})]
StrideAt = Annotated[str, Kind("one of `first`, `middle`", {"enum": ["first", "middle"]})]


def _widened(net: Net, x: Tensor, depth: int, stride: int) -> Tensor:
    """Every `stride`-th pixel, and channels of zeros on both sides up to `depth`."""
    if stride > 1:
        x = net.add(ops.Pool("max", (1, 1), stride), x, role="subsample")
    more = depth - x.shape[-1]
    if more < 0:
        raise ops.ShapeError(f"zeros cannot make {depth} channels of {x.shape[-1]}: `shortcut: project` can")
    if more == 0:
        return x
    return net.add(ops.Pad(((0, 0), (0, 0)), (more // 2, more - more // 2)), x, role="widen")


def _shortcut(net: Net, x: Tensor, entered: Tensor, depth: int, stride: int, shortcut: str, style: Style) -> Tensor:
    """The input as the sum needs it. `entered` is what the convolutions read; a projection reads it too."""
    if shortcut == "project" and x.shape[-1] != depth:
        return conv(net, entered, depth, (1, 1), role="shortcut", style=style, stride=stride)
    return _widened(net, x, depth, stride)


def _sum(net: Net, shortcut: Tensor, y: Tensor, activation: str, preactivation: bool) -> Tensor:
    y = net.add(ops.Add(), shortcut, y, role="add")
    return y if preactivation or activation == "none" else net.add(ops.Activation(activation), y, role="out")


@block
def Residual(
    net: Net, x: Tensor, *, depth: Depth, stride: Stride = 1, rate: Rate = 1, activation: Act = "relu",
    shortcut: Widening = "project", preactivation: Flag = False, style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Two 3×3 convolutions, and the input added to what they give.

    Source: Deep Residual Learning, He et al. 2015 (arXiv 1512.03385), figure 5 left; `stride` is the first one's.
    Where the depth changes, `shortcut: project` brings the input there by a 1×1 convolution (the paper's option B),
    `pad` by channels of zeros, as many in front as behind (option A, without weights). Where only the size changes,
    every `stride`-th pixel is kept: a pool of 1×1, as tflearn's avg_pool_2d(x, 1, 2) and Slim's subsample have it.
    `preactivation` puts batch norm and activation in front of each convolution and none after the sum (Identity
    Mappings, He et al. 2016, arXiv 1603.05027, figure 4e; tflearn's residual_block). A projection then reads what
    the first convolution reads, and has no batch norm.
    """
    entered = finish(net, x, role="preact", activation=activation, style=style) if preactivation else x
    last = replace(style, norm=False) if preactivation else style
    short = _shortcut(net, x, entered, depth, stride, shortcut, last)
    y = conv(net, entered, depth, (3, 3), role="conv1", style=style, activation=activation, stride=stride, rate=rate)
    y = conv(net, y, depth, (3, 3), role="conv2", style=last, rate=rate)
    return _sum(net, short, y, activation, preactivation)


@block
def ResidualBottleneck(
    net: Net, x: Tensor, *, depth: Depth, depth_bottleneck: Depth, stride: Stride = 1, rate: Rate = 1,
    stride_at: StrideAt = "first", activation: Act = "relu", shortcut: Widening = "project",
    preactivation: Flag = False, style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """1×1 down to `depth_bottleneck` channels, 3×3, 1×1 up to `depth`, and the input added to what they give.

    Source: Deep Residual Learning, He et al. 2015 (arXiv 1512.03385), figure 5 right and table 1. `stride_at: first`
    strides in the first 1×1 (the paper's v1, keras.applications' ResNet50), `middle` in the 3×3 (torchvision, where it
    is called v1.5; v2 of keras.applications, Slim and timm). `shortcut` and `preactivation` are those of `Residual`;
    with no batch norm after them, the last convolution and the projection then have a bias (keras.applications and
    Slim; timm's have none: `bias: false`).
    """
    entered = finish(net, x, role="preact", activation=activation, style=style) if preactivation else x
    last = replace(style, norm=False) if preactivation else style
    short = _shortcut(net, x, entered, depth, stride, shortcut, last)
    first, middle = (stride, 1) if stride_at == "first" else (1, stride)
    y = conv(net, entered, depth_bottleneck, (1, 1), role="conv1", style=style, activation=activation, stride=first)
    y = conv(
        net, y, depth_bottleneck, (3, 3), role="conv2", style=style, activation=activation, stride=middle, rate=rate
    )
    y = conv(net, y, depth, (1, 1), role="conv3", style=last)
    return _sum(net, short, y, activation, preactivation)
