"""Ops and whole graphs by numpy, pixel by pixel, in double precision: what lowering and passes are held against."""

from __future__ import annotations

import brute_force as brute
import numpy as np
from brute_force import Array

from archspec import ops
from archspec.graph import INPUT, Graph
from archspec.ops import Op
from archspec.passes import Weights


def weighted(op: Op, x: Array, w: list[Array]) -> Array:
    """What an op with variables gives for one map or vector."""
    bias = w[1] if len(w) == 2 else None
    if isinstance(op, ops.Conv):
        return brute.conv(x, w[0], bias, op.stride, op.rate, op.groups, op.padding)
    if isinstance(op, ops.DepthwiseConv):
        return brute.depthwise(x, w[0], bias, op.stride, op.rate, op.padding)
    if isinstance(op, ops.TransposeConv):
        return brute.transpose(x, w[0], bias, op.stride, str(op.padding))
    if isinstance(op, ops.Dense):
        return brute.dense(x, w[0], bias)
    if isinstance(op, ops.Pool):
        return brute.pool(x, op.function, op.kernel, op.stride, op.padding)
    assert isinstance(op, ops.BatchNorm)
    beta, mean, variance = w[-3:]
    return brute.norm(x, w[0] if op.scale else 1.0, beta, mean, variance, op.epsilon)


def free(op: Op, *xs: Array) -> list[Array]:
    """What an op without variables gives for one map or vector of each input."""
    x = xs[0]
    match op:
        case ops.Activation():
            return [brute.ACTIVATIONS[op.function](x)]
        case ops.GlobalPool():
            y = x.max(axis=(0, 1)) if op.function == "max" else x.mean(axis=(0, 1))
            return [y[None, None] if op.keep else y]
        case ops.Add():
            return [np.add.reduce(np.stack(xs))]
        case ops.Multiply():
            product = np.ones(max((y.shape for y in xs), key=np.prod))
            for y in xs:
                product = product * y
            return [product]
        case ops.Scale():
            return [op.factor * x]
        case ops.Concat():
            return [np.concatenate(xs, axis=-1)]
        case ops.Split():
            size = x.shape[-1] // op.parts
            return [x[..., i * size : (i + 1) * size] for i in range(op.parts)]
        case ops.DepthToSpace():
            return [brute.depth_to_space(x, op.block)]
        case ops.EdgePad():
            return [np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")]
        case ops.Shuffle():
            return [brute.shuffle(x, op.groups)]
        case ops.Resize():
            return [brute.resize(x, op.size, op.method)]
        case ops.Pad():
            return [np.pad(x, (*op.zeros, op.channels))]
        case ops.Dropout():
            return [x]
        case ops.Reshape():
            return [np.array(list(x.flat)).reshape(op.target or -1)]
    raise AssertionError(op)


def random_layers(graph: Graph, seed: int = 0) -> dict[str, list[Array]]:
    """Weights of every layer, in double precision: of both signs, variances and scales above zero."""
    draw = np.random.default_rng(seed)
    made: dict[str, list[Array]] = {}
    for node in graph.nodes:
        for weight in node.op.weights(*node.input_shapes):
            positive = weight.role in ("gamma", "moving_variance")
            values = draw.uniform(0.5, 1.5, weight.shape) if positive else draw.normal(0, 0.5, weight.shape)
            made.setdefault(node.name, []).append(values)
    return made


def answers(graph: Graph, layers: Weights, image: Array) -> dict[str, Array]:
    """What a graph answers to one image, by output."""
    held: dict[int, list[Array]] = {INPUT: [image]}
    for number, node in enumerate(graph.nodes):
        xs = [held[t.node][t.output] for t in node.inputs]
        values = [v.astype(np.float64) for v in layers[node.name]] if node.op.kind else []
        alone = node.op.kind or isinstance(node.op, ops.Pool)
        held[number] = [weighted(node.op, xs[0], values)] if alone else free(node.op, *xs)
        assert {x.shape for x in held[number]} == {node.shape}, node.name
    return {name: held[t.node][t.output] for name, t in graph.outputs}
