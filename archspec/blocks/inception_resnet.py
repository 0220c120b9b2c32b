"""Blocks of Inception-ResNet: modules whose output is scaled down and added to their input.

Source of all: Inception-v4, Inception-ResNet and the Impact of Residual Connections, Szegedy et al. 2016
(arXiv 1602.07261). Options are named as in `inception`.
"""

from dataclasses import replace
from functools import partial

from archspec import ops
from archspec.blocks.basic import STYLE, Style, conv
from archspec.blocks.inception import COLUMN, POINT, ROW, chain, concat, reduction
from archspec.blocks.registry import block
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Padding, Small, Stride


def residual(
    net: Net, x: Tensor, *branches: Tensor, depth: int | None, scale: float, activation: str, style: Style
) -> Tensor:
    """The input plus `scale` times the branches, which a linear 1×1 convolution with bias brings to its depth.

    `depth`, where it is another, is the sum's; then a 1×1 convolution brings the input to it.
    """
    linear = replace(style, norm=False)
    depth = depth or x.shape[-1]
    y = conv(net, concat(net, *branches), depth, POINT, role="up", style=linear)
    if scale != 1:
        y = net.add(ops.Scale(scale), y, role="scale")
    if depth != x.shape[-1]:
        x = conv(net, x, depth, POINT, role="shortcut", style=linear)
    x = net.add(ops.Add(), x, y, role="add")
    return x if activation == "none" else net.add(ops.Activation(activation), x, role=activation)


@block
def InceptionResNetA(
    net: Net, x: Tensor, *, conv1x1: Depth, reduce3x3: Depth, conv3x3: Depth, reduce3x3dbl: Depth,
    middle3x3dbl: Depth, conv3x3dbl: Depth, residual_scale: Small = 1.0, depth: Depth | None = None,
    activation: Act = "relu", last_activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Inception-ResNet's module of the 35×35 grid: 1×1, 3×3 and twice 3×3, added to the input.

    Source: Szegedy et al. 2016 (arXiv 1602.07261), figures 10 and 16, scaled as in figure 20; keras.applications'
    `block35`. Cinnamon AI's tour of light networks has leaky ReLU, a bias before each batch norm (`bias: true`), no
    scaling, no activation after the sum (`last_activation: none`), and a 1×1 convolution on the input where `depth`
    is not the input's.
    """
    go = partial(chain, net, style=style, activation=activation)
    one = go(x, ("conv1x1", conv1x1, POINT))
    once = go(x, ("reduce3x3", reduce3x3, POINT), ("conv3x3", conv3x3, (3, 3)))
    twice = go(
        x, ("reduce3x3dbl", reduce3x3dbl, POINT), ("middle3x3dbl", middle3x3dbl, (3, 3)),
        ("conv3x3dbl", conv3x3dbl, (3, 3)),
    )  # fmt: skip
    return residual(
        net, x, one, once, twice, depth=depth, scale=residual_scale, activation=last_activation, style=style
    )


@block
def InceptionResNetB(
    net: Net, x: Tensor, *, conv1x1: Depth, reduce7x7: Depth, middle7x7: Depth, conv7x7: Depth,
    residual_scale: Small = 1.0, activation: Act = "relu", last_activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Inception-ResNet's module of the 17×17 grid: 1×1, and 7×7 as a row and a column, added to the input.

    Source: Szegedy et al. 2016 (arXiv 1602.07261), figures 11 and 17; keras.applications' `block17`.
    """
    go = partial(chain, net, style=style, activation=activation)
    one = go(x, ("conv1x1", conv1x1, POINT))
    long = go(x, ("reduce7x7", reduce7x7, POINT), ("middle7x7", middle7x7, ROW), ("conv7x7", conv7x7, COLUMN))
    return residual(net, x, one, long, depth=None, scale=residual_scale, activation=last_activation, style=style)


@block
def InceptionResNetC(
    net: Net, x: Tensor, *, conv1x1: Depth, reduce3x3: Depth, middle3x3: Depth, conv3x3: Depth,
    residual_scale: Small = 1.0, activation: Act = "relu", last_activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Inception-ResNet's module of the 8×8 grid: 1×1, and 3×3 as a row and a column, added to the input.

    Source: Szegedy et al. 2016 (arXiv 1602.07261), figures 13 and 19; keras.applications' `block8`, the last of which
    has neither scale nor activation.
    """
    go = partial(chain, net, style=style, activation=activation)
    one = go(x, ("conv1x1", conv1x1, POINT))
    once = go(x, ("reduce3x3", reduce3x3, POINT), ("middle3x3", middle3x3, (1, 3)), ("conv3x3", conv3x3, (3, 1)))
    return residual(net, x, one, once, depth=None, scale=residual_scale, activation=last_activation, style=style)


@block
def InceptionResNetReductionB(
    net: Net, x: Tensor, *, reduce3x3: Depth, conv3x3_1: Depth, conv3x3_2: Depth, middle3x3dbl: Depth,
    conv3x3dbl: Depth, stride: Stride = 2, strided_padding: Padding = "valid", activation: Act = "relu",
    style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Halves a map by two 3×3 convolutions, two 3×3 in a row, and a max pool, each after a 1×1 of `reduce3x3`.

    Source: Szegedy et al. 2016 (arXiv 1602.07261), figure 18; keras.applications' `mixed_7a`.
    """
    first = [("reduce3x3_1", reduce3x3, POINT), ("conv3x3_1", conv3x3_1, (3, 3))]
    second = [("reduce3x3_2", reduce3x3, POINT), ("conv3x3_2", conv3x3_2, (3, 3))]
    twice = [
        ("reduce3x3dbl", reduce3x3, POINT), ("middle3x3dbl", middle3x3dbl, (3, 3)),
        ("conv3x3dbl", conv3x3dbl, (3, 3)),
    ]  # fmt: skip
    return reduction(
        net, x, first, second, twice, style=style, activation=activation, padding=strided_padding, stride=stride
    )
