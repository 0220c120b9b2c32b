"""Blocks of the Inception networks: GoogLeNet's module, Inception-v3's, and the reductions of both families.

Options are named after the branches, as keras.applications names them: `convKxK` is the depth that a branch gives,
`reduceKxK` that of the 1×1 convolution it begins with, `middleKxK` that of the convolutions between the two; `dbl`
marks the branch that goes twice through its kernel.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from archspec import ops
from archspec.blocks.basic import STYLE, Style, conv, finish
from archspec.blocks.registry import block
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Flag, Kernel, Padding, Stride

Layer = tuple[str, int, tuple[int, int]]  # role, depth, kernel
POINT = (1, 1)
ROW, COLUMN = (1, 7), (7, 1)


def chain(net: Net, x: Tensor, *layers: Layer, style: Style, activation: str) -> Tensor:
    """Convolutions one after another, each with batch norm and activation: one branch of a module."""
    for role, depth, kernel in layers:
        x = conv(net, x, depth, kernel, role=role, style=style, activation=activation)
    return x


def mean(net: Net, x: Tensor) -> Tensor:
    """The 3×3 mean that begins a branch; zeros of the padding do not count."""
    return net.add(ops.Pool("avg", (3, 3), 1), x, role="pool")


def concat(net: Net, *branches: Tensor) -> Tensor:
    """The branches' channels, in the order of the branches: an imported kernel after it counts on that."""
    return net.add(ops.Concat(), *branches, role="concat")


def reduction(
    net: Net, x: Tensor, *branches: Sequence[Layer], style: Style, activation: str, padding: Padding, stride: int
) -> Tensor:
    """Branches whose last convolution strides, beside a strided 3×3 max pool."""
    unpadded = replace(style, padding=padding)
    ends = []
    for *layers, (role, depth, kernel) in branches:
        y = chain(net, x, *layers, style=style, activation=activation)
        ends.append(conv(net, y, depth, kernel, role=role, style=unpadded, activation=activation, stride=stride))
    return concat(net, *ends, net.add(ops.Pool("max", (3, 3), stride, padding), x, role="pool"))


@block
def Inception(
    net: Net, x: Tensor, *, conv1x1: Depth, reduce3x3: Depth, conv3x3: Depth, reduce5x5: Depth, conv5x5: Depth,
    pool_proj: Depth, middle5x5: Depth | None = None, pool_kernel: Kernel = (3, 3), pool_norm: Flag = False,
    activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """GoogLeNet's module: 1×1, 3×3, 5×5 and a max pool side by side, the last three with 1×1 convolutions of their own.

    Source: Going Deeper with Convolutions, Szegedy et al. 2014 (arXiv 1409.4842), figure 2b; the depths are the
    columns of table 1. The paper has no batch norm (`norm: false`). The module in Cinnamon AI's tour of light networks
    has leaky ReLU, a bias before each batch norm (`bias: true`), a 3×3 convolution before the 5×5 (`middle5x5`), and
    a 2×2 pool (`pool_kernel: 2`) with batch norm and activation (`pool_norm`).
    """
    go = partial(chain, net, style=style, activation=activation)
    five: list[Layer] = [("reduce5x5", reduce5x5, POINT), ("conv5x5", conv5x5, (5, 5))]
    if middle5x5 is not None:
        five.insert(1, ("middle5x5", middle5x5, (3, 3)))
    one = go(x, ("conv1x1", conv1x1, POINT))
    three = go(x, ("reduce3x3", reduce3x3, POINT), ("conv3x3", conv3x3, (3, 3)))
    fifth = go(x, *five)
    pooled = net.add(ops.Pool("max", pool_kernel, 1), x, role="pool")
    if pool_norm:
        pooled = finish(net, pooled, role="pool", activation=activation, style=style)
    return concat(net, one, three, fifth, go(pooled, ("pool_proj", pool_proj, POINT)))


@block
def InceptionA(
    net: Net, x: Tensor, *, conv1x1: Depth, reduce5x5: Depth, conv5x5: Depth, reduce3x3dbl: Depth, conv3x3dbl: Depth,
    pool_proj: Depth, activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Inception-v3's module of the 35×35 grid: 1×1, 5×5, twice 3×3, and a mean pool.

    Source: Rethinking the Inception Architecture, Szegedy et al. 2015 (arXiv 1512.00567), figure 5. The figure has a
    3×3 convolution where Slim and keras.applications, and so this block, have the 5×5. Inception-ResNet-v2 begins
    with the same module (`mixed_5b`).
    """
    go = partial(chain, net, style=style, activation=activation)
    one = go(x, ("conv1x1", conv1x1, POINT))
    five = go(x, ("reduce5x5", reduce5x5, POINT), ("conv5x5", conv5x5, (5, 5)))
    twice = go(
        x, ("reduce3x3dbl", reduce3x3dbl, POINT),
        ("conv3x3dbl_1", conv3x3dbl, (3, 3)), ("conv3x3dbl_2", conv3x3dbl, (3, 3)),
    )  # fmt: skip
    return concat(net, one, five, twice, go(mean(net, x), ("pool_proj", pool_proj, POINT)))


@block
def InceptionB(
    net: Net, x: Tensor, *, conv1x1: Depth, reduce7x7: Depth, conv7x7: Depth, pool_proj: Depth,
    activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Inception-v3's module of the 17×17 grid: 1×1, 7×7 once and twice as rows and columns, and a mean pool.

    Source: Szegedy et al. 2015 (arXiv 1512.00567), figure 6 with n = 7. `reduce7x7` is the depth of every convolution
    of the two 7×7 branches but the last, `conv7x7` that of the last.
    """
    go = partial(chain, net, style=style, activation=activation)
    narrow, wide = reduce7x7, conv7x7
    one = go(x, ("conv1x1", conv1x1, POINT))
    once = go(x, ("reduce7x7", narrow, POINT), ("conv7x7_1", narrow, ROW), ("conv7x7_2", wide, COLUMN))
    twice = go(
        x, ("reduce7x7dbl", narrow, POINT), ("conv7x7dbl_1", narrow, COLUMN), ("conv7x7dbl_2", narrow, ROW),
        ("conv7x7dbl_3", narrow, COLUMN), ("conv7x7dbl_4", wide, ROW),
    )  # fmt: skip
    return concat(net, one, once, twice, go(mean(net, x), ("pool_proj", pool_proj, POINT)))


@block
def InceptionC(
    net: Net, x: Tensor, *, conv1x1: Depth, reduce3x3: Depth, reduce3x3dbl: Depth, conv3x3: Depth, pool_proj: Depth,
    activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Inception-v3's module of the 8×8 grid: its 3×3 kernels fork into a row and a column, side by side.

    Source: Szegedy et al. 2015 (arXiv 1512.00567), figure 7. `conv3x3` is the depth of the 3×3 convolution and of
    each of the four forks.
    """
    go = partial(chain, net, style=style, activation=activation)
    one = go(x, ("conv1x1", conv1x1, POINT))
    once = go(x, ("reduce3x3", reduce3x3, POINT))
    forks = [go(once, ("row3x3", conv3x3, (1, 3))), go(once, ("column3x3", conv3x3, (3, 1)))]
    twice = go(x, ("reduce3x3dbl", reduce3x3dbl, POINT), ("conv3x3dbl", conv3x3, (3, 3)))
    forks += [go(twice, ("row3x3dbl", conv3x3, (1, 3))), go(twice, ("column3x3dbl", conv3x3, (3, 1)))]
    return concat(net, one, *forks, go(mean(net, x), ("pool_proj", pool_proj, POINT)))


@block
def ReductionA(
    net: Net, x: Tensor, *, conv3x3: Depth, reduce3x3dbl: Depth, middle3x3dbl: Depth, conv3x3dbl: Depth,
    stride: Stride = 2, strided_padding: Padding = "valid", activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Halves a map by a 3×3 convolution, two 3×3 convolutions and a max pool side by side.

    Source: Szegedy et al. 2015 (arXiv 1512.00567), figure 10; Inception-v4, Szegedy et al. 2016 (arXiv 1602.07261),
    figure 7, where the depths are n, k, l, m. What strides is not padded (`strided_padding`), as in both papers.
    """
    twice = [
        ("reduce3x3dbl", reduce3x3dbl, POINT), ("middle3x3dbl", middle3x3dbl, (3, 3)),
        ("conv3x3dbl", conv3x3dbl, (3, 3)),
    ]  # fmt: skip
    return reduction(
        net, x, [("conv3x3", conv3x3, (3, 3))], twice,
        style=style, activation=activation, padding=strided_padding, stride=stride,
    )  # fmt: skip


@block
def ReductionB(
    net: Net, x: Tensor, *, reduce3x3: Depth, conv3x3: Depth, reduce7x7x3: Depth, conv7x7x3: Depth,
    stride: Stride = 2, strided_padding: Padding = "valid", activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """Halves a map by a 3×3 convolution, a 7×7 one as row and column before a 3×3, and a max pool side by side.

    Source: Slim's and keras.applications' Inception-v3 (`mixed8`), whose paper does not draw it; Inception-v4's
    (Szegedy et al. 2016, figure 8) differs in its depths.
    """
    narrow = reduce7x7x3
    once = [("reduce3x3", reduce3x3, POINT), ("conv3x3", conv3x3, (3, 3))]
    long = [
        ("reduce7x7x3", narrow, POINT), ("conv7x7_1", narrow, ROW), ("conv7x7_2", narrow, COLUMN),
        ("conv7x7x3", conv7x7x3, (3, 3)),
    ]  # fmt: skip
    return reduction(net, x, once, long, style=style, activation=activation, padding=strided_padding, stride=stride)
