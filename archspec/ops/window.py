"""Arithmetic of sliding windows: output sizes and padding, for convolutions and pools."""

from __future__ import annotations

from typing import Any

from archspec.kinds import Amounts, Padding, Size2
from archspec.ops.base import Shape, ShapeError, part


def reach_of(kernel: int, rate: int) -> int:
    """Pixels an atrous kernel spans."""
    return (kernel - 1) * rate + 1


def zeros(padding: Padding, extent: int, stride: int, size: int, axis: int) -> tuple[int, int]:
    """Rows of zeros before and after one axis of `size` pixels.

    same: TensorFlow's, as many as ceil(size / stride) outputs need, the odd one after.
    same_even: what `same` adds to a size that the stride divides, whatever the size; keras.applications' MobileNet
    writes it as ZeroPadding2D(((0, 1), (0, 1))).
    explicit: extent - 1, split in the middle; Slim's fixed_padding, and PyTorch's padding=k//2 of odd kernels.
    """
    if not isinstance(padding, str):
        return padding[axis]
    if padding == "valid":
        return 0, 0
    total = extent - 1
    if padding == "same":
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    elif padding == "same_even":
        total = max(extent - stride, 0)
    return total // 2, total - total // 2


def amounts(padding: Padding, extents: Size2, stride: int, shape: Shape) -> Amounts:
    """Rows of zeros as ((top, bottom), (left, right))."""
    return (
        zeros(padding, extents[0], stride, shape[0], 0),
        zeros(padding, extents[1], stride, shape[1], 1),
    )


def slide(padding: Padding, extents: Size2, stride: int, shape: Shape) -> Size2:
    """Height and width of the output. Raises ShapeError where the window does not fit."""
    height = _steps(padding, extents[0], stride, shape[0], 0)
    square = shape[0] == shape[1] and extents[0] == extents[1] and isinstance(padding, str)
    width = height if square else _steps(padding, extents[1], stride, shape[1], 1)
    if height < 1 or width < 1:
        raise ShapeError(f"a window of {extents[0]}×{extents[1]} does not fit a map of {shape[0]}×{shape[1]}")
    return height, width


def _steps(padding: Padding, extent: int, stride: int, size: int, axis: int) -> int:
    """How many windows fit along one axis."""
    before, after = zeros(padding, extent, stride, size, axis)
    return (size + before + after - extent) // stride + 1


def padded(
    keras: Any, name: str, x: Any, padding: Padding, extents: Size2, stride: int, *, zeros_matter: bool = False
) -> tuple[Any, str]:
    """The tensor with explicit zeros where Keras cannot add them itself, and the padding Keras is told.

    Zeros that `same` would add too are left to it, unless `zeros_matter`: to a convolution they are the same, but a
    pool skips those of `same` and looks at explicit ones.
    """
    if padding in ("same", "valid"):
        return x, str(padding)
    shape = tuple(x.shape[1:])
    wanted = amounts(padding, extents, stride, shape)
    if not zeros_matter and wanted == amounts("same", extents, stride, shape):
        return x, "same"
    if any(sum(axis) for axis in wanted):
        x = keras.layers.ZeroPadding2D(wanted, name=part(name, "pad"))(x)
    return x, "valid"
