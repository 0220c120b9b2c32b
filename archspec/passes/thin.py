"""Layers with few channels, computed in phases: they leave most of a vector register empty, in phases they fill it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from archspec.graph import Graph, Node, Tensor
from archspec.ops import Activation, Conv, DepthToSpace, TransposeConv
from archspec.ops.window import amounts
from archspec.passes.phases import enlarged, spread_phases
from archspec.passes.rewrite import Rewrite
from archspec.passes.sketch import Sketch, Step, Values, readers, reading, rewritten

THIN = 8  # output channels below which phases paid on every CPU measured (docs/passes.md)


def thin(graph: Graph) -> Rewrite:
    """Convolutions to few channels at stride 1, four pixels at a time: a kernel one wider at stride 2."""
    read, count = reading(graph), readers(graph)
    steps: dict[int, Step] = {}
    found = 0
    for number, node in enumerate(graph.nodes):
        if not _is_thin(node):
            continue
        found += 1
        behind = read.get(number, [])
        clamped = len(behind) == count[number] == 1 and _elementwise(graph.nodes[behind[0]])
        steps[number] = partial(_in_phases, laid_out=not clamped)
        if clamped:
            steps[behind[0]] = _laid_out
    return rewritten(graph, steps, f"thin convolutions in phases: {found}")


def _is_thin(node: Node) -> bool:
    op = node.op
    if not isinstance(op, Conv) or (op.stride, op.rate, op.groups) != (1, 1, 1) or op.depth >= THIN:
        return False
    odd = min(op.kernel) >= 3 and op.kernel[0] % 2 == op.kernel[1] % 2 == 1
    shape = node.inputs[0].shape
    same = amounts(op.padding, op.kernel, 1, shape) == amounts("same", op.kernel, 1, shape)
    return odd and same and shape[0] % 2 == shape[1] % 2 == 0


def _elementwise(node: Node) -> bool:
    return isinstance(node.op, Activation) and node.op.function != "softmax"


def _in_phases(sketch: Sketch, node: Node, laid_out: bool) -> Tensor:
    op = node.op
    assert isinstance(op, Conv)
    wider = op.kernel[0] + 1, op.kernel[1] + 1
    made = replace(op, depth=4 * op.depth, kernel=wider, stride=2, padding="same")
    x = sketch.keep(node, made, lambda weights: phase_kernel(weights[node.name]))
    return _laid(sketch, node, x) if laid_out else x


def phase_kernel(values: Values) -> Values:
    """Weights of a convolution at stride 1 (height, width, in, out) for squares of 2 by 2 output pixels at once."""
    kernel, *bias = values
    height, width, inputs, depth = kernel.shape
    wide = np.zeros((height + 1, width + 1, inputs, 2, 2, depth))
    for y in range(2):
        for x in range(2):
            wide[y : y + height, x : x + width, :, y, x] = kernel
    return [wide.reshape(height + 1, width + 1, inputs, -1), *(np.tile(b, 4) for b in bias)]


def _laid_out(sketch: Sketch, node: Node) -> Tensor:
    return _laid(sketch, node, sketch.keep(node))


def _laid(sketch: Sketch, node: Node, x: Tensor) -> Tensor:
    return sketch.add(f"{node.name}_pixels", DepthToSpace(2), x)


def transposed(graph: Graph, *, most: int = 1, tiles: bool = False) -> Rewrite:
    """Transposed convolutions of at most `most` channels as convolutions whose phases are laid out.

    With `tiles` also all those as wide as their stride, which then have as many multiplies as before. An activation
    behind goes in front of the layout.
    """
    read, count = reading(graph), readers(graph)
    steps: dict[int, Step] = {}
    found = 0
    for number, node in enumerate(graph.nodes):
        if not (enlarged(node) > 1 and (_thin_transposed(node, most) or (tiles and _tiles(node)))):
            continue
        found += 1
        behind = read.get(number, [])
        clamped = len(behind) == count[number] == 1 and _elementwise(graph.nodes[behind[0]])
        steps[number] = partial(_as_convolution, laid_out=not clamped)
        if clamped:
            steps[behind[0]] = partial(_behind, layer=node)
    return rewritten(graph, steps, f"transposed convolutions in phases: {found}")


def _thin_transposed(node: Node, most: int) -> bool:
    return max(node.shape[-1], node.inputs[0].shape[-1]) <= most


def _tiles(node: Node) -> bool:
    op = node.op
    return isinstance(op, TransposeConv) and op.kernel == (op.stride, op.stride)


def _as_convolution(sketch: Sketch, node: Node, laid_out: bool) -> Tensor:
    op = node.op
    assert isinstance(op, TransposeConv)
    x = spread_phases(sketch, node, (op.stride,))
    return sketch.add(f"{node.name}_pixels", DepthToSpace(op.stride), x) if laid_out else x


def _behind(sketch: Sketch, node: Node, layer: Node) -> Tensor:
    assert isinstance(layer.op, TransposeConv)
    return sketch.add(f"{node.name}_pixels", DepthToSpace(layer.op.stride), sketch.keep(node))
