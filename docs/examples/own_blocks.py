"""A block that archspec does not come with, as a module of its own."""

from typing import Annotated

from archspec import ops
from archspec.blocks import block
from archspec.blocks.basic import STYLE, Style, conv, depthwise
from archspec.graph import Net, Tensor
from archspec.kinds import Act, Depth, Kernel, Kind, Stride

Ratio = Annotated[int, Kind("a whole number from 2 to 16", {"type": "integer", "minimum": 2, "maximum": 16})]


@block
def GhostModule(
    net: Net, x: Tensor, *, depth: Depth, kernel: Kernel = (1, 1), ratio: Ratio = 2, cheap_kernel: Kernel = (3, 3),
    stride: Stride = 1, activation: Act = "relu", style: Style = STYLE,
) -> Tensor:  # fmt: skip
    """A share of the channels by a convolution, the others from those by a depthwise one, side by side.

    Source: GhostNet, Han et al. 2020 (arXiv 1911.11907), figure 1 and section 3.1: `ratio` is its s, `cheap_kernel`
    its d.
    """
    if depth % ratio:
        raise ops.ShapeError(f"a ratio of {ratio} does not divide {depth} channels")
    own = conv(net, x, depth // ratio, kernel, role="primary", style=style, activation=activation, stride=stride)
    ghosts = depthwise(net, own, cheap_kernel, role="cheap", style=style, activation=activation, multiplier=ratio - 1)
    return net.add(ops.Concat(), own, ghosts, role="concat")
