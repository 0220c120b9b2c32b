"""Blocks of the ShuffleNets."""

from archspec import ops
from archspec.blocks.basic import STYLE, Style, conv, depthwise
from archspec.blocks.registry import block
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Kernel, Rate, Stride


@block
def ShuffleUnit(
    net: Net, x: Tensor, *, depth: Depth, kernel: Kernel = (3, 3), stride: Stride = 1, rate: Rate = 1,
    activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """One half of the channels as it is, the other through 1×1, depthwise and 1×1; both dealt out anew.

    Source: ShuffleNet V2, Ma et al. 2018 (arXiv 1807.11164), figure 3 (c); where stride or depth change, (d): both
    branches read all channels, and the first goes through depthwise and 1×1. torchvision's `InvertedResidual`.
    """
    if depth % 2:
        raise ops.ShapeError(f"a shuffle unit's depth is even, half for each branch, not {depth}")
    half = depth // 2
    if stride == 1 and x.shape[-1] == depth:
        kept, y = net.split(2, x)
    else:
        kept = depthwise(net, x, kernel, role="kept_depthwise", style=style, stride=stride, rate=rate)
        kept = conv(net, kept, half, (1, 1), role="kept_pointwise", style=style, activation=activation)
        y = x
    y = conv(net, y, half, (1, 1), role="expand", style=style, activation=activation)
    y = depthwise(net, y, kernel, role="depthwise", style=style, stride=stride, rate=rate)
    y = conv(net, y, half, (1, 1), role="project", style=style, activation=activation)
    return net.add(ops.Shuffle(2), net.add(ops.Concat(), kept, y, role="concat"), role="shuffle")
