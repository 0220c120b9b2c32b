"""The linear tail of an edge network: side maps, upsampled, side by side, and fused by a 1×1 convolution.

All of it is linear. So the fusing weights go into the layers in front of it, a sum stands for the concatenation, and
the sum is made where the maps are small: in phases, coarse maps first, laid out level by level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from archspec.graph import INPUT, Graph, Node, Tensor
from archspec.ops import Add, Concat, Conv, DepthToSpace, TransposeConv
from archspec.passes.phases import enlarged, spread_phases, squares
from archspec.passes.rewrite import Rewrite, Weights
from archspec.passes.sketch import Recipe, Sketch, Step, Values, readers, rewritten

FINEST = 4  # sums are made on maps at least so much smaller than the output, where there are such


class Branch(NamedTuple):
    """A branch of the concatenation: its last layer, how much that enlarges, its first channel."""

    node: int
    stride: int
    start: int


def merge_tail(graph: Graph, *, phases: bool = True) -> Rewrite:
    """Fusing 1×1 convolutions merged into the linear branches of the concatenation that they alone read.

    Without `phases` the sum is made at the output's size.
    """
    count = readers(graph)
    steps: dict[int, Step] = {}
    merged = []
    for number, node in enumerate(graph.nodes):
        branches = _branches(graph, count, node)
        if branches:
            levels = _levels(graph, count, node, branches) if phases else []
            steps |= _merged(graph, number, branches, levels)
            merged.append(f"{node.name} ({len(branches)} branches{_at_levels(levels)})")
    return rewritten(graph, steps, f"linear tail merged into its branches: {', '.join(merged)}")


def _at_levels(levels: Sequence[int]) -> str:
    return f", summed at 1/{', 1/'.join(map(str, levels))} of the size" if levels else ""


def _branches(graph: Graph, count: dict[int, int], node: Node) -> list[Branch]:
    """The branches that take in a fusing convolution; none where one cannot, or would grow."""
    op, before = node.op, node.inputs[0].node
    if not isinstance(op, Conv) or (op.kernel, op.stride, op.groups) != ((1, 1), 1, 1) or before == INPUT:
        return []
    concat = graph.nodes[before]
    if not isinstance(concat.op, Concat) or count[before] != 1:
        return []
    found, start = [], 0
    for tensor in concat.inputs:
        layer = graph.nodes[tensor.node] if tensor.node != INPUT else None
        if layer is None or count[tensor.node] != 1 or not _linear(layer) or tensor.shape[-1] < op.depth:
            return []
        found.append(Branch(tensor.node, enlarged(layer), start))
        start += tensor.shape[-1]
    return found


def _linear(node: Node) -> bool:
    return enlarged(node) > 1 or (isinstance(node.op, Conv) and node.op.groups == 1)


def _levels(graph: Graph, count: dict[int, int], node: Node, branches: Sequence[Branch]) -> list[int]:
    """By how much the maps are smaller that are summed up, falling; none: at the output's size.

    Only maps of one channel: phases of wider ones take more multiplies than they save.
    """
    strides = sorted({b.stride for b in branches if b.stride > 1}, reverse=True)
    ones = node.shape[-1] == 1 and all(graph.nodes[b.node].inputs[0].shape[-1] == 1 for b in branches if b.stride > 1)
    if not strides or not ones:
        return []
    finest = min((s for s in strides if s >= FINEST), default=strides[0])
    levels = [s for s in strides if s >= finest]
    chained = all(a % b == 0 for a, b in pairwise(levels))
    fits = all(_lifts(graph, count, node, b, finest) for b in branches)
    return levels if chained and fits else []


def _lifts(graph: Graph, count: dict[int, int], fusing: Node, branch: Branch, finest: int) -> bool:
    """Whether a branch can be computed in squares of `finest` output pixels."""
    if branch.stride >= finest:
        return True
    node = graph.nodes[branch.node]
    if branch.stride > 1:
        before = node.inputs[0].node
        if before == INPUT or count[before] != 1:
            return False
        node = graph.nodes[before]
    op, (height, width, _) = node.op, fusing.shape
    pointwise = isinstance(op, Conv) and (op.kernel, op.stride, op.groups) == ((1, 1), 1, 1)
    return pointwise and height % finest == width % finest == 0 == finest % branch.stride


def _merged(graph: Graph, fusing: int, branches: Sequence[Branch], levels: Sequence[int]) -> dict[int, Step]:
    node = graph.nodes[fusing]
    steps: dict[int, Step] = {node.inputs[0].node: lambda sketch, concat: sketch.at(concat.inputs[0])}
    for i, branch in enumerate(branches):
        layer = graph.nodes[branch.node]
        steps[branch.node] = partial(_weighed, fusing=node, branch=branch, first=i == 0, levels=levels)
        if levels and 1 < branch.stride < levels[-1]:
            steps[layer.inputs[0].node] = partial(_squared, size=levels[-1] // branch.stride)
    steps[fusing] = partial(_sum, graph=graph, branches=branches, levels=levels)
    return steps


def _squared(sketch: Sketch, node: Node, size: int) -> Tensor:
    return squares(sketch, node, size)


def _weighed(
    sketch: Sketch, node: Node, fusing: Node, branch: Branch, first: bool, levels: Sequence[int]
) -> Tensor:  # fmt: skip
    """The last layer of a branch, with the fusing weights; the first branch also gets the fusing bias."""
    op, fuse = node.op, fusing.op
    assert isinstance(op, Conv | TransposeConv)
    assert isinstance(fuse, Conv)
    recipe, bias = _recipe(node, fusing, branch, first), op.bias or (first and fuse.bias)
    if not levels:
        made = replace(op, depth=fuse.depth, bias=bias)
        return sketch.add(f"{node.name}_weighed", made, sketch.at(node.inputs[0]), recipe=recipe)
    if branch.stride == 1:
        return squares(sketch, node, levels[-1], values=recipe, bias=bias, depth=fuse.depth)
    blocks = _blocks(max(branch.stride, levels[-1]), levels)
    coarse = max(levels[-1] // branch.stride, 1)
    return spread_phases(sketch, node, blocks, values=recipe, bias=bias, depth=fuse.depth, coarse=coarse)


def _blocks(level: int, levels: Sequence[int]) -> list[int]:
    """The steps by which the phases of a level are laid out."""
    left = list(levels[levels.index(level) :])
    return [a // b for a, b in zip(left, [*left[1:], 1], strict=True)]


def _recipe(node: Node, fusing: Node, branch: Branch, first: bool) -> Recipe:
    """Weights of a layer (…, out or …, out, in) times those that fuse its outputs."""
    transposed = isinstance(node.op, TransposeConv)
    channels = slice(branch.start, branch.start + node.shape[-1])

    def recipe(weights: Weights) -> Values:
        fuse, *more = (v.astype(np.float64) for v in weights[fusing.name])
        kernel, *bias = (v.astype(np.float64) for v in weights[node.name])
        share = fuse[0, 0, channels]
        made = np.einsum("yxdc,df->yxfc" if transposed else "yxcd,df->yxcf", kernel, share)
        moved = (bias[0] @ share if bias else 0) + (more[0] if first and more else 0)
        return [made, np.broadcast_to(moved, share.shape[1:])] if bias or (first and more) else [made]

    return recipe


def _sum(sketch: Sketch, node: Node, graph: Graph, branches: Sequence[Branch], levels: Sequence[int]) -> Tensor:
    """The sum of all branches: level by level where there are such."""
    terms = [(max(b.stride, levels[-1]) if levels else 1, sketch.at(Tensor(b.node, 0, ()))) for b in branches]
    if not levels:
        return sketch.add(node.name, Add(), *(x for _, x in terms))
    x: Tensor | None = None
    for level, block in zip(levels, _blocks(levels[0], levels), strict=True):
        here = [*([x] if x else []), *(term for at, term in terms if at == level)]
        x = sketch.add(f"{node.name}_sum{level}", Add(), *here) if len(here) > 1 else here[0]
        name = node.name if level == levels[-1] else f"{node.name}_from{level}"
        x = sketch.add(name, DepthToSpace(block), x)
    assert x
    return x
