"""What a runtime runs badly, or not at all, written as what it runs well."""

from __future__ import annotations

import numpy as np

from archspec.graph import INPUT, Graph, Node, Tensor
from archspec.ops import (
    Activation,
    Add,
    Conv,
    Dense,
    DepthwiseConv,
    EdgePad,
    Multiply,
    Reshape,
    Resize,
    Shape,
    TransposeConv,
)  # fmt: skip
from archspec.passes.rewrite import Rewrite
from archspec.passes.sketch import Sketch, Step, readers, rewritten

CLAMPING = (Add, Conv, Dense, DepthwiseConv, Multiply, TransposeConv)
"""Ops that take a relu into themselves, where nothing else reads them."""

TRIANGLE = np.outer((0.25, 0.5, 0.25), (0.25, 0.5, 0.25))


def clamped(graph: Graph) -> Rewrite:
    """A depthwise 1×1 convolution by one in front of each relu that no other op takes in.

    Integer kernels run the op RELU element by element, at seven times the instructions (docs/passes.md).
    """
    count = readers(graph)
    steps: dict[int, Step] = {}
    for number, node in enumerate(graph.nodes):
        if node.op not in (Activation("relu"), Activation("relu6")) or len(node.shape) != 3:
            continue
        before = node.inputs[0].node
        if before == INPUT or count[before] > 1 or not isinstance(graph.nodes[before].op, CLAMPING):
            steps[number] = _by_one
    return rewritten(graph, steps, f"relus behind a depthwise convolution by one: {len(steps)}")


def _by_one(sketch: Sketch, node: Node) -> Tensor:
    kernel = np.ones((1, 1, node.shape[-1], 1))
    x = sketch.add(f"{node.name}_one", DepthwiseConv((1, 1)), sketch.at(node.inputs[0]), recipe=lambda _: [kernel])
    return sketch.add(node.name, node.op, x)


def without_dense(graph: Graph) -> Rewrite:
    """Dense layers as 1×1 convolutions on a map of one pixel.

    TensorFlow Lite 2.17.1 crashes on 32-bit ARM at an int8 FULLY_CONNECTED without a bias, and the converter leaves
    out a bias of zeros.
    """
    steps: dict[int, Step] = {n: _pointwise for n, node in enumerate(graph.nodes) if isinstance(node.op, Dense)}
    return rewritten(graph, steps, f"dense layers as 1×1 convolutions: {len(steps)}")


def _pointwise(sketch: Sketch, node: Node) -> Tensor:
    op = node.op
    assert isinstance(op, Dense)
    x = sketch.add(f"{node.name}_map", Reshape((1, 1, *node.inputs[0].shape)), sketch.at(node.inputs[0]))
    made = Conv(op.units, (1, 1), bias=op.bias)
    x = sketch.add(
        f"{node.name}_conv", made, x, recipe=lambda w: [w[node.name][0][None, None], *w[node.name][1:]]
    )  # fmt: skip
    return sketch.add(node.name, Reshape((op.units,)), x)


def without_bilinear(graph: Graph) -> Rewrite:
    """Bilinear resizes to twice the size as nearest ones, smoothed by a depthwise convolution (1, 2, 1) / 4.

    Exact: each output pixel is 3/4 of the pixel it lies in and 1/4 of the next, borders repeated.
    """
    steps: dict[int, Step] = {}
    for number, node in enumerate(graph.nodes):
        if isinstance(node.op, Resize) and node.op == Resize(_doubled(node.inputs[0].shape), "bilinear"):
            steps[number] = _smoothed
    return rewritten(graph, steps, f"bilinear resizes as nearest ones, smoothed: {len(steps)}")


def _doubled(shape: Shape) -> tuple[int, int]:
    return 2 * shape[0], 2 * shape[1]


def _smoothed(sketch: Sketch, node: Node) -> Tensor:
    kernel = np.repeat(TRIANGLE[:, :, None, None], node.shape[-1], 2)
    nearest = Resize(_doubled(node.inputs[0].shape), "nearest")
    x = sketch.add(f"{node.name}_nearest", nearest, sketch.at(node.inputs[0]))
    x = sketch.add(f"{node.name}_edges", EdgePad(), x)
    return sketch.add(node.name, DepthwiseConv((3, 3), padding="valid"), x, recipe=lambda _: [kernel])
