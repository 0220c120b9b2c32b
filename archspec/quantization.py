"""Where fake quantization stands in a network: which kernels, and at which tensors a range is held. No framework.

A convolution, its batch norm and its activation are one op of an integer file; so they form a group, and a range
stands at the group's end only. The rules are the TFLite converter's: a range where it expects none is pushed back
onto the op before, silently, and a missing one leaves floats in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archspec import ops
from archspec.graph import INPUT, Graph, Node
from archspec.ops.base import part

Range = tuple[float, float]
"""The least and the greatest value of a tensor; zero lies between."""

IMAGE = "input"  # the name of the image among the tensors
SIGMOID = "sigmoid"  # what the inner part of swish is called
AXES: Mapping[type[ops.Op], tuple[int, ...]] = {
    ops.Conv: (3,),
    ops.DepthwiseConv: (2, 3),
    ops.TransposeConv: (2,),
    ops.Dense: (1,),
}
"""The axes of a kernel that count output channels."""

LINEAR = tuple(AXES)
CLAMPS = ("relu", "relu6")
CLAMPED = (*LINEAR, ops.BatchNorm, ops.Add, ops.Multiply, ops.Scale)
"""Ops that take a relu into themselves; in a file a batch norm by itself is a depthwise convolution."""

INNER = ("softplus", "mish", "elu")
"""Functions that a file takes apart into steps for which nothing here has a range."""

SAME_SCALE = (
    ops.Pool, ops.Resize, ops.Reshape, ops.Shuffle, ops.Pad, ops.Split, ops.Dropout, ops.DepthToSpace, ops.EdgePad,
)  # fmt: skip
"""Ops whose output has the scale of their input, beside the largest of a map."""

FIXED: Mapping[str, Range] = {
    "sigmoid": (0.0, 255 / 256),
    "softmax": (0.0, 255 / 256),
    "tanh": (-1.0, 127 / 128),
    "hard_sigmoid": (0.0, 1.0),
}
"""Ranges that the function itself sets; of the first three TFLite's quantization specification prescribes them."""


@dataclass(frozen=True)
class Plan:
    """Fake quantization of one graph.

    `kernels` gives the channel axes of each layer's kernel. `learned` names the tensors whose range is learned and
    `fixed` those that have one: a tensor goes by its node, the image by `input`, the partial sums of a sum of several
    as `NODE.1`, `NODE.2`. `groups` gives the nodes of the group that each such node ends. `unknown` names nodes with
    steps inside whose ranges only a calibration can tell. `held` names the means and interpolations, which a file
    rounds by the range of what they read, with the tensor that has it.
    """

    kernels: Mapping[str, tuple[int, ...]]
    learned: tuple[str, ...]
    fixed: Mapping[str, Range]
    groups: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...]
    held: Mapping[str, str]


def plan(graph: Graph) -> Plan:
    """Where fake quantization stands in a graph."""
    learned: list[str] = []
    fixed = {IMAGE: around_zero(*graph.head.input.interval)}
    readers = _readers(graph)
    ends = _ends(graph, readers)
    for node in graph.nodes:
        learned += [part(node.name, i) for i in partial(node)]
        if node.op == ops.Activation("swish"):
            fixed[part(node.name, SIGMOID)] = FIXED[SIGMOID]
    for number in ends:
        node, reads = graph.nodes[number], readers[number]
        if isinstance(node.op, ops.Activation) and node.op.function in FIXED:
            fixed[node.name] = FIXED[node.op.function]
        elif not keeps_scale(node.op) and not (len(reads) == 1 and isinstance(reads[0], ops.Concat)):
            learned.append(node.name)
    kernels = {node.name: AXES[type(node.op)] for node in graph.nodes if isinstance(node.op, LINEAR)}
    groups = {graph.nodes[n].name: tuple(graph.nodes[m].name for m in members) for n, members in ends.items()}
    unknown = tuple(n.name for n in graph.nodes if isinstance(n.op, ops.Activation) and n.op.function in INNER)
    return Plan(kernels, tuple(learned), fixed, groups, unknown, _held(graph))


def around_zero(low: float, high: float) -> Range:
    """The range widened to hold zero, which padding needs to be exact."""
    return min(low, 0.0), max(high, 0.0)


def partial(node: Node) -> range:
    """Numbers of the sums (or products) of several tensors that come before the last: integer kernels take two."""
    several = isinstance(node.op, ops.Add | ops.Multiply)
    return range(1, len(node.inputs) - 1) if several else range(0)


def keeps_scale(op: ops.Op) -> bool:
    """Whether an op's output is stored as its input is."""
    return isinstance(op, SAME_SCALE) or op in (ops.GlobalPool("max"), ops.GlobalPool("max", keep=True))


def _held(graph: Graph) -> dict[str, str]:
    """Each op that makes new values on the scale of its input, and the tensor that sets this scale."""
    source = {INPUT: IMAGE}
    held: dict[str, str] = {}
    for number, node in enumerate(graph.nodes):
        source[number] = source[node.inputs[0].node] if keeps_scale(node.op) else node.name
        mean = isinstance(node.op, ops.Pool) and node.op.function == "avg"
        if mean or (isinstance(node.op, ops.Resize) and node.op.method == "bilinear"):
            held[node.name] = source[number]
    return held


def _readers(graph: Graph) -> list[list[ops.Op | None]]:
    """The ops that read each node; None for one that leaves the network."""
    readers: list[list[ops.Op | None]] = [[] for _ in graph.nodes]
    for node in graph.nodes:
        for tensor in node.inputs:
            if tensor.node != INPUT:
                readers[tensor.node].append(node.op)
    for _, tensor in graph.outputs:
        if tensor.node != INPUT:
            readers[tensor.node].append(None)
    return readers


def _ends(graph: Graph, readers: Sequence[Sequence[ops.Op | None]]) -> dict[int, tuple[int, ...]]:
    """The last node of each group with all the group's nodes, in order."""
    ends: dict[int, tuple[int, ...]] = {}
    for number, node in enumerate(graph.nodes):
        before = node.inputs[0].node
        alone = len(node.inputs) == 1 and before != INPUT and len(readers[before]) == 1
        group = ends.get(before, ()) if alone else ()
        if group and _joins([graph.nodes[n].op for n in group], node.op):
            del ends[before]
            ends[number] = (*group, number)
        else:
            ends[number] = (number,)
    return ends


def _joins(group: Sequence[ops.Op], op: ops.Op) -> bool:
    """Whether a file holds the op as a part of the group before it."""
    if any(isinstance(member, ops.Activation) for member in group):
        return False
    if isinstance(op, ops.BatchNorm):
        return len(group) == 1 and isinstance(group[0], LINEAR)
    if isinstance(op, ops.Scale):
        return isinstance(group[0], LINEAR)
    if isinstance(op, ops.Activation) and op.function in CLAMPS:
        return isinstance(group[0], CLAMPED)
    # relu6(x + 3) / 6, the first part of which goes into the layer's bias and clamp
    return op == ops.Activation("hard_sigmoid") and isinstance(group[0], ops.Conv | ops.DepthwiseConv | ops.Dense)
