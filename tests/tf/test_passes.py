"""Folding batch norm changes the graph and not what it answers."""

from typing import Any

import numpy as np
import pytest
from networks import spec, table
from zoo import outputs_differ_by, randomize

from archspec import passes
from archspec.analysis import Network
from archspec.graph import Graph
from archspec.ops import BatchNorm

CASES = {
    "chain": table(
        "Conv: {depth: 4, stride: 2}\nDepthSepConv: {depth: 6, multiplier: 2}\nGlobalPool\nDense: {units: 3}"
    ),
    "transpose": table("Conv: {depth: 4}\nTransposeConv: {depth: 3, kernel: 4, activation: none}"),
    "bias": table("Conv: {depth: 4, bias: true, norm_scale: false}\nConv: {depth: 6, groups: 2, epsilon: 0.1}"),
    "kept": table("BatchNorm\nConv: {depth: 4, norm_after_activation: true}\nConv: {depth: 4, norm: false, name: c}"),
    "shared": table(
        "Conv: {depth: 3, norm: false, activation: none, name: a}\nBatchNorm: {name: b}\nAdd: {from: [a, b]}"
    ),
    "hed": spec("mobilenet_v2_hed", input__size=32),
}


def models(graph: Graph) -> tuple[Any, Any]:
    """The lowered graph with random weights, and its folded form with the same."""
    from archspec.tf import lower

    before = lower.lower(graph)
    randomize(before)
    weights = {layer.name: layer.get_weights() for layer in before.layers if layer.weights}
    after = lower.lower(passes.fold_batch_norm(graph))
    lower.assign(after, passes.fold_weights(graph, weights))
    return before, after


@pytest.mark.parametrize("network", CASES.values(), ids=CASES)
def test_the_folded_graph_answers_the_same(network: Network) -> None:
    before, after = models(network.graph)
    assert outputs_differ_by(after, before) <= 1e-5


def test_a_wrong_factor_is_noticed() -> None:
    before, after = models(CASES["chain"].graph)
    kernel, bias = after.layers[1].get_weights()
    after.layers[1].set_weights([kernel * np.float32(1.01), bias])
    assert outputs_differ_by(after, before) > 1e-5


@pytest.mark.parametrize(
    ("name", "norms"), [("chain", 0), ("transpose", 0), ("bias", 0), ("kept", 2), ("shared", 1), ("hed", 0)]
)
def test_what_cannot_be_folded_stays(name: str, norms: int) -> None:
    folded = passes.fold_batch_norm(CASES[name].graph)
    assert sum(isinstance(node.op, BatchNorm) for node in folded.nodes) == norms


def test_rows_and_outputs_keep_names_and_shapes() -> None:
    graph = CASES["hed"].graph
    folded = passes.fold_batch_norm(graph)
    assert [(r.name, r.output.shape) for r in folded.rows] == [(r.name, r.output.shape) for r in graph.rows]
    assert [(n, t.shape) for n, t in folded.outputs] == [(n, t.shape) for n, t in graph.outputs]
    assert [r.stop for r in folded.rows[:-1]] == [r.start for r in folded.rows[1:]]
