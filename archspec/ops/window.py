"""Arithmetic of sliding windows: output sizes and padding, for convolutions and pools."""

from __future__ import annotations

from typing import Any

from archspec.kinds import Amounts, Size2
from archspec.ops.base import Shape, ShapeError

Pad = str | Amounts


def reach_of(kernel: int, rate: int) -> int:
    """Pixels an atrous kernel spans."""
    return (kernel - 1) * rate + 1


def zeros(padding: Pad, extent: int, stride: int, size: int, axis: int) -> tuple[int, int]:
    """Rows of zeros before and after one axis of `size` pixels.

    same: TensorFlow's, as many as ceil(size / stride) outputs need, the odd one after.
    same_even: what `same` adds to a size that the stride divides, whatever the size; keras.applications' MobileNet
    writes it as ZeroPadding2D(((0, 1), (0, 1))).
    explicit: extent - 1, split in the middle; Slim's fixed_padding, and PyTorch's padding=k//2.
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


def amounts(padding: Pad, extents: Size2, stride: int, shape: Shape) -> Amounts:
    """Rows of zeros as ((top, bottom), (left, right))."""
    return (
        zeros(padding, extents[0], stride, shape[0], 0),
        zeros(padding, extents[1], stride, shape[1], 1),
    )


def slide(padding: Pad, extents: Size2, stride: int, shape: Shape) -> Size2:
    """Height and width of the output. Raises ShapeError where the window does not fit."""
    out = []
    for size, extent, (before, after) in zip(shape, extents, amounts(padding, extents, stride, shape), strict=False):
        padded = size + before + after
        if padded < extent:
            raise ShapeError(f"a window of {extents[0]}×{extents[1]} does not fit a map of {shape[0]}×{shape[1]}")
        out.append((padded - extent) // stride + 1)
    return out[0], out[1]


def padded(keras: Any, name: str, x: Any, padding: Pad, extents: Size2, stride: int) -> tuple[Any, str]:
    """The tensor with explicit zeros where Keras cannot add them itself, and the padding Keras is told."""
    if padding in ("same", "valid"):
        return x, str(padding)
    shape = tuple(x.shape[1:])
    wanted = amounts(padding, extents, stride, shape)
    if wanted == amounts("same", extents, stride, shape):
        return x, "same"
    if any(sum(axis) for axis in wanted):
        x = keras.layers.ZeroPadding2D(wanted, name=f"{name}_pad")(x)
    return x, "valid"
