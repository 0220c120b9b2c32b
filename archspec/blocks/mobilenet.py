"""Blocks of the MobileNets."""

from dataclasses import replace
from typing import Annotated

from archspec import ops
from archspec.blocks.basic import PLAIN, STYLE, Style, conv, depthwise
from archspec.blocks.registry import block
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Expansion, Flag, Kernel, Kind, Rate, Share, Small, Stride, Units
from archspec.rounding import divisible

Shortcut = Annotated[str, Kind("one of `identity`, `project`, `none`", {"enum": ["identity", "project", "none"]})]
SqueezedDepth = Annotated[str, Kind("one of `input`, `expanded`", {"enum": ["input", "expanded"]})]


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


def squeeze_excite(
    net: Net, x: Tensor, depth: int, *, prefix: str, activation: str, gate: str, style: Style
) -> Tensor:  # fmt: skip
    """A map times a gate for each of its channels: the map's means through `depth` channels and back.

    The gate stays a map of 1×1: integer kernels run that as they run any convolution.
    """
    y = net.add(ops.GlobalPool(keep=True), x, role=f"{prefix}pool")
    plain = replace(style, norm=False, bias=True)
    y = conv(net, y, depth, (1, 1), role=f"{prefix}reduce", style=plain, activation=activation)
    y = conv(net, y, x.shape[-1], (1, 1), role=f"{prefix}expand", style=plain, activation=gate)
    return net.add(ops.Multiply(), x, y, role=f"{prefix}gated")


def _share(depth: int, factor: float, divisor: int) -> int:
    """A factor of a depth: cut down to a whole number, or a multiple of a divisor above one."""
    wanted = round(depth * factor, 9)  # a decimal such as 0.29 is not exact in binary: of 100 it must be 29, not 28
    return divisible(wanted, divisor) if divisor > 1 else max(int(wanted), 1)


@block
def SqueezeExcite(
    net: Net, x: Tensor, *, ratio: Small = 0.25, divisor: Units = 1, activation: Act = "relu", gate: Act = "sigmoid",
    style: Style = PLAIN,
) -> Tensor:  # fmt: skip
    """Squeeze and excite: a gate for each channel, made of the means of all.

    Source: Squeeze-and-Excitation Networks, Hu et al. 2017 (arXiv 1709.01507), figure 3; its ratio r is 1 / `ratio`
    here. Between the two layers stands `ratio` of the channels, as a multiple of `divisor`. Both have a bias and no
    batch norm.
    """
    depth = _share(x.shape[-1], ratio, divisor)
    return squeeze_excite(net, x, depth, prefix="", activation=activation, gate=gate, style=style)


@block
def InvertedResidual(
    net: Net, x: Tensor, *, depth: Depth, expansion: Expansion = 6.0, kernel: Kernel = (3, 3), stride: Stride = 1,
    rate: Rate = 1, activation: Act = "relu6", shortcut: Shortcut = "identity", expand_always: Flag = False,
    divisor: Units = 1, se: Share = 0.0, se_of: SqueezedDepth = "expanded", se_activation: Act = "relu",
    se_gate: Act = "hard_sigmoid", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Expand by 1×1, filter by depthwise, project by 1×1 without activation, add the input.

    Source: MobileNetV2, Sandler et al. 2018 (arXiv 1801.04381), table 1 and figure 4.
    `shortcut: identity` adds the input where stride and depth allow (the paper); `project` brings it to the depth by
    a 1×1 convolution where only the depth differs (the document scanner's blog); `none` never adds it.
    `expand_always` keeps the 1×1 expansion at `expansion: 1` (the blog); else it is dropped (keras.applications).
    `se` above 0 puts a squeeze-and-excite behind the depthwise convolution, that share of the channels wide: of the
    `expanded` ones (MobileNetV3, Howard et al. 2019, arXiv 1905.02244, section 5.3), or of the block's `input`
    (EfficientNet, Tan and Le 2019, arXiv 1905.11946, whose gate is a plain sigmoid behind swish).
    Expanded and squeezed depths are multiples of `divisor` (MobileNetV3: 8), or cut down to a whole number.
    """
    channels, y = x.shape[-1], x
    if expansion != 1 or expand_always:
        wide = _share(channels, expansion, divisor)
        y = conv(net, y, wide, (1, 1), role="expand", style=style, activation=activation)
    y = depthwise(net, y, kernel, role="depthwise", style=style, activation=activation, stride=stride, rate=rate)
    if se > 0:
        squeezed = _share(y.shape[-1] if se_of == "expanded" else channels, se, divisor)
        y = squeeze_excite(net, y, squeezed, prefix="se_", activation=se_activation, gate=se_gate, style=style)
    y = conv(net, y, depth, (1, 1), role="project", style=style)
    if shortcut == "none" or y.shape[:2] != x.shape[:2] or stride != 1:
        return y
    if y.shape != x.shape:
        if shortcut == "identity":
            return y
        x = conv(net, x, depth, (1, 1), role="shortcut", style=style)
    return net.add(ops.Add(), y, x, role="add")
