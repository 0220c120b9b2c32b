"""Blocks of the MobileNets."""

from typing import Annotated

from archspec import ops
from archspec.blocks.basic import STYLE, Style, conv, depthwise
from archspec.blocks.registry import block
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Expansion, Flag, Kernel, Kind, Rate, Stride, Units

Shortcut = Annotated[str, Kind("one of `identity`, `project`, `none`", {"enum": ["identity", "project", "none"]})]


@block
def DepthSepConv(
    net: Net, x: Tensor, *, depth: Depth, kernel: Kernel = (3, 3), stride: Stride = 1, rate: Rate = 1,
    multiplier: Units = 1, activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """A depthwise convolution and a 1×1 convolution, each with batch norm and activation.

    Source: MobileNets, Howard et al. 2017 (arXiv 1704.04861), figure 3; Slim's DepthSepConv.
    """
    x = depthwise(
        net, x, kernel, role="depthwise", style=style, activation=activation, stride=stride, rate=rate,
        multiplier=multiplier,
    )  # fmt: skip
    return conv(net, x, depth, (1, 1), role="pointwise", style=style, activation=activation)


@block
def InvertedResidual(
    net: Net, x: Tensor, *, depth: Depth, expansion: Expansion = 6.0, kernel: Kernel = (3, 3), stride: Stride = 1,
    rate: Rate = 1, activation: Act = "relu6", shortcut: Shortcut = "identity", expand_always: Flag = False,
    style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Expand by 1×1, filter by depthwise, project by 1×1 without activation, add the input.

    Source: MobileNetV2, Sandler et al. 2018 (arXiv 1801.04381), table 1 and figure 4.
    `shortcut: identity` adds the input where stride and depth allow (the paper); `project` brings it to the depth by
    a 1×1 convolution where only the depth differs (the document scanner's blog); `none` never adds it.
    `expand_always` keeps the 1×1 expansion at `expansion: 1` (the blog); else it is dropped (keras.applications).
    """
    y = x
    if expansion != 1 or expand_always:
        y = conv(net, y, max(int(x.shape[-1] * expansion), 1), (1, 1), role="expand", style=style, activation=activation)
    y = depthwise(net, y, kernel, role="depthwise", style=style, activation=activation, stride=stride, rate=rate)
    y = conv(net, y, depth, (1, 1), role="project", style=style)
    if shortcut == "none" or y.shape[:2] != x.shape[:2] or stride != 1:
        return y
    if y.shape != x.shape:
        if shortcut == "identity":
            return y
        x = conv(net, x, depth, (1, 1), role="shortcut", style=style)
    return net.add(ops.Add(), y, x, role="add")
