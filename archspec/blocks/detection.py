"""Blocks of detection networks."""

from dataclasses import replace
from typing import Annotated

from archspec.blocks.basic import STYLE, Style, conv, depthwise
from archspec.blocks.registry import block
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Flag, Kernel, Kind, Small, Stride, Units

_RATIO = {"type": "number", "exclusiveMinimum": 0, "maximum": 100}
Ratios = Annotated[
    tuple[float, ...],
    Kind(
        "a list of aspect ratios, width over height",
        {"type": "array", "items": _RATIO, "minItems": 1, "maxItems": 16},
        tuple,
    ),
]


@block
def SSDExtra(
    net: Net, x: Tensor, *, depth: Depth, squeeze: Depth, kernel: Kernel = (3, 3), stride: Stride = 2,
    activation: Act = "relu6", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """A smaller map for larger objects: a 1×1 convolution to `squeeze`, a depthwise one with the stride, a 1×1.

    Source: SSDLite, MobileNetV2, Sandler et al. 2018 (arXiv 1801.04381), section 6.2; SSD's extra feature layers (Liu
    et al. 2015, arXiv 1512.02325, figure 2) with the 3×3 convolution made separable.
    """
    x = conv(net, x, squeeze, (1, 1), role="squeeze", style=style, activation=activation)
    x = depthwise(net, x, kernel, role="depthwise", style=style, activation=activation, stride=stride)
    return conv(net, x, depth, (1, 1), role="pointwise", style=style, activation=activation)


@block
def SSDHead(
    net: Net, x: Tensor, *, values: Units, scale: Small, ratios: Ratios = (1.0, 2.0, 0.5), between: Small | None = None,
    kernel: Kernel = (3, 3), separable: Flag = True, activation: Act = "relu6", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """What an SSD says of each pixel's anchors: `values` numbers an anchor (4 of a box, or one a class).

    Source: SSD, Liu et al. 2015 (arXiv 1512.02325), section 2.2; SSDLite's separable form, MobileNetV2, Sandler et al.
    2018 (arXiv 1801.04381), section 6.2. Anchors: one of `scale` (of the image's side) for each of `ratios`, and where
    `between` is given a square one more of that scale. Output: height × width × (anchors · values).
    """
    anchors, last = len(ratios) + (between is not None), replace(style, norm=False, bias=True)
    if separable:
        x = depthwise(net, x, kernel, role="depthwise", style=style, activation=activation)
        kernel = (1, 1)
    return conv(net, x, anchors * values, kernel, role="conv", style=last)
