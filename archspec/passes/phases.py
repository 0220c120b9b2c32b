"""Maps in phases: the pixels of a square of the map as channels of one pixel, which depth to space lays out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from archspec.graph import Node, Tensor
from archspec.ops import Conv, TransposeConv
from archspec.passes.sketch import Recipe, Sketch, Values

Taps = NDArray[np.intp]


def enlarged(node: Node) -> int:
    """The stride of a transposed convolution whose output is so many times as large as its input; else 1."""
    op = node.op
    if isinstance(op, TransposeConv) and (op.padding == "same" or max(op.kernel) <= op.stride):
        return op.stride
    return 1


def spread_phases(
    sketch: Sketch, node: Node, blocks: Sequence[int], *, values: Recipe | None = None, bias: bool | None = None,
    depth: int | None = None, coarse: int = 1,
) -> Tensor:  # fmt: skip
    """A transposed convolution as a convolution on its input, which gives squares of prod(blocks) pixels as channels.

    `blocks` are those of the depth to space that lays them out, one after the other. `coarse`: the input itself is in
    phases, squares of that side. `values`, `bias` and `depth` are those of other weights for the layer.
    """
    op, x = node.op, sketch.at(node.inputs[0])
    assert isinstance(op, TransposeConv)
    before = [max(k - op.stride, 0) // 2 for k in op.kernel]
    taps = [taps_of(op.kernel[i], op.stride, before[i], math.prod(blocks), coarse) for i in range(2)]
    kernel = (taps[0][0].shape[2], taps[1][0].shape[2])
    recipe = values or (lambda weights: weights[node.name])
    has_bias = op.bias if bias is None else bias
    made = Conv(
        math.prod(blocks) ** 2 * (depth or op.depth), kernel, bias=has_bias,
        padding=((-taps[0][1], kernel[0] - 1 + taps[0][1]), (-taps[1][1], kernel[1] - 1 + taps[1][1])),
    )  # fmt: skip
    name = f"{node.name}_phases"
    return sketch.add(name, made, x, recipe=lambda w: _spread_kernel(recipe(w), taps[0][0], taps[1][0], blocks))


def taps_of(kernel: int, stride: int, before: int, size: int, coarse: int) -> tuple[Taps, int]:
    """Along one axis: which tap of a transposed kernel leads from an input pixel to an output pixel.

    (size, coarse, offsets): for output phase p of `size`, from input phase q of `coarse`, which lies `offset` squares
    further; where none does, the number after the last tap. And the least offset. Output pixel o gets of input pixel
    i the tap o - i · stride + before.
    """
    reach = -(-(kernel + before) // (stride * coarse)) + 1
    offsets = np.arange(-reach, reach + 1)
    out, into = np.arange(size)[:, None, None], np.arange(coarse)[None, :, None]
    tap = out - (into + coarse * offsets) * stride + before
    used = (tap >= 0) & (tap < kernel)
    kept = offsets[used.any((0, 1)) | (offsets == 0)]
    kept = np.arange(kept.min(), kept.max() + 1)
    chosen = np.isin(offsets, kept)
    return np.where(used, tap, kernel)[:, :, chosen], int(kept.min())


def _spread_kernel(values: Values, rows: Taps, columns: Taps, blocks: Sequence[int]) -> Values:
    """A convolution's weights of those of a transposed one, (height, width, out, in)."""
    kernel, *bias = values
    wider = np.pad(np.asarray(kernel, np.float64), ((0, 1), (0, 1), (0, 0), (0, 0)))
    made = wider[rows[:, :, :, None, None, None], columns]  # (Y, y, row, X, x, column, out, in)
    made = made.transpose(2, 5, 1, 4, 7, 0, 3, 6)
    height, width, _, _, _, size, _, depth = made.shape
    order = in_blocks(size, blocks)
    made = made.reshape(height, width, -1, size * size, depth)[..., order, :]
    return [made.reshape(height, width, made.shape[2], -1), *(np.tile(b, size * size) for b in bias)]


def in_blocks(size: int, blocks: Sequence[int]) -> Taps:
    """The pixels of a square of that side, by number, in the order that depth to space lays out, block by block."""
    count = len(blocks)
    pixels = np.arange(size * size).reshape(*blocks, *blocks)
    return pixels.transpose([axis for i in range(count) for axis in (i, count + i)]).ravel()


def squares(
    sketch: Sketch, node: Node, size: int, *, values: Recipe | None = None, bias: bool | None = None,
    depth: int | None = None,
) -> Tensor:  # fmt: skip
    """A 1×1 convolution that gives squares of `size` by `size` pixels as channels."""
    op = node.op
    assert isinstance(op, Conv)
    recipe = values or (lambda weights: weights[node.name])
    made = replace(
        op, depth=size**2 * (depth or op.depth), kernel=(size, size), stride=size, padding="valid",
        bias=op.bias if bias is None else bias,
    )  # fmt: skip
    x = sketch.at(node.inputs[0])
    return sketch.add(f"{node.name}_phases", made, x, recipe=lambda weights: _square_kernel(recipe(weights), size))


def _square_kernel(values: Values, size: int) -> Values:
    kernel, *bias = values
    inputs, depth = kernel.shape[2:]
    made = np.zeros((size, size, inputs, size, size, depth))
    for y in range(size):
        for x in range(size):
            made[y, x, :, y, x] = kernel[0, 0]
    return [made.reshape(size, size, inputs, -1), *(np.tile(b, size * size) for b in bias)]
