"""Blocks of segmentation networks: context over several rates, and ways back up."""

from collections.abc import Sequence
from typing import Annotated

from archspec import ops
from archspec.blocks.basic import STYLE, Style, Tensors, conv, finish
from archspec.blocks.registry import block
from archspec.blocks.xception import separable as separable_conv
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Flag, Kernel, Kind, Units, UpStride

_RATE = {"type": "integer", "minimum": 1, "maximum": 256}
Rates = Annotated[
    tuple[int, ...],
    Kind(
        "a list of atrous rates from 1 to 256, or an empty one",
        {"type": "array", "items": _RATE, "maxItems": 16},
        tuple,
    ),
]


@block
def ASPP(
    net: Net, x: Tensor, *, depth: Units = 256, rates: Rates = (6, 12, 18), separable: Flag = False,
    image_pooling: Flag = True, activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Atrous spatial pyramid pooling: a 1×1 convolution, one 3×3 a rate, the image's mean; joined by a 1×1.

    Source: DeepLabv3, Chen et al. 2017 (arXiv 1706.05587), section 3.3; rates for output stride 16, doubled for 8.
    `separable` has depthwise separable 3×3s (DeepLabv3+, arXiv 1802.02611). `rates: []` leaves the 1×1 and the
    image's mean, which is the head of Slim's small MobileNet v2 models (MobileNetV2, arXiv 1801.04381, section 6.3).
    The image's mean stands first among the joined branches, as in Slim's DeepLab.
    """
    branches = []
    if image_pooling:
        mean = net.add(ops.GlobalPool(keep=True), x, role="image_pool")
        mean = conv(net, mean, depth, (1, 1), role="image", style=style, activation=activation)
        branches.append(net.add(ops.Resize((x.shape[0], x.shape[1])), mean, role="image_resize"))
    branches.append(conv(net, x, depth, (1, 1), role="aspp0", style=style, activation=activation))
    branches += [
        _atrous(net, x, depth, rate, f"aspp{i}", separable, activation, style) for i, rate in enumerate(rates, 1)
    ]
    joined = net.add(ops.Concat(), *branches, role="concat") if len(branches) > 1 else branches[0]
    return conv(net, joined, depth, (1, 1), role="project", style=style, activation=activation)


def _atrous(
    net: Net, x: Tensor, depth: int, rate: int, role: str, by_parts: bool, activation: str, style: Style
) -> Tensor:
    if by_parts:
        return separable_conv(net, x, depth, (3, 3), role=f"{role}_", style=style, activation=activation, rate=rate)
    return conv(net, x, depth, (3, 3), role=role, style=style, activation=activation, rate=rate)


@block
def UpBlock(
    net: Net, xs: Tensors, *, depth: Depth, kernel: Kernel = (3, 3), stride: UpStride = 2, activation: Act = "relu",
    style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """A transposed convolution with batch norm and activation, and the skip row of that size beside it.

    Source: U-Net, Ronneberger et al. 2015 (arXiv 1505.04597), figure 1, an up-convolution and the copied map; in the
    form of TensorFlow's segmentation tutorial (pix2pix.upsample on MobileNet v2). `from: [low, skip]`; with one row
    there is nothing to join.
    """
    op = ops.TransposeConv(depth, kernel, stride, style.has_bias, style.padding, style.fill)
    x = finish(net, net.add(op, xs[0], role="up"), role="up", activation=activation, style=style)
    return _beside(net, x, xs[1:])


def _beside(net: Net, x: Tensor, skips: Sequence[Tensor]) -> Tensor:
    return net.add(ops.Concat(), x, *skips, role="concat") if skips else x
