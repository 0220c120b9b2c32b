"""Blocks as a user would write them, for tests: one that is fine, and one for each way to go wrong."""

from archspec import ops
from archspec.blocks import block
from archspec.graph import Net, Tensor
from archspec.kinds import Depth, Kernel, Units


@block
def Thicken(net: Net, x: Tensor, *, depth: Depth = 8, stride: Kernel = (1, 1)) -> Tensor:
    """A 1×1 convolution whose depth has a default, with a `stride` that is not archspec's."""
    return net.add(ops.Conv(depth, (1, 1), max(stride)), x, role="conv")


@block
def Halve(net: Net, x: Tensor, *, parts: Units = 2) -> Tensor:
    """Keeps the first of two parts of the channels, and forgets that it may be asked for others."""
    names = {2: "half"}
    return net.split(parts, x, role=names[parts])[0]


@block
def Forgetful(net: Net, x: Tensor) -> Tensor:
    """Adds an op and gives nothing."""
    net.add(ops.Activation("relu"), x)
    return None  # type: ignore[return-value]


@block
def Picky(net: Net, x: Tensor) -> Tensor:
    """Raises what an op would raise."""
    raise ops.ShapeError("this block takes no map at all")
