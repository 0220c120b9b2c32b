"""Deployment passes change the graph and not what it answers, and the converter keeps what they wrote."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from networks import spec, table
from zoo import outputs_differ_by, randomize, relative_error

from archspec import passes
from archspec.analysis import Network
from archspec.graph import Graph, cut
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


def relative(network: Network, form: str) -> float:
    """How far the deployed graph's answers are from the network's own, by Keras, as a share of the largest value."""
    from archspec.tf import lower

    made = passes.deploy(network.graph, form)
    before = lower.lower(network.graph)
    randomize(before)
    weights = {layer.name: layer.get_weights() for layer in before.layers if layer.weights}
    after = lower.lower(made.graph)
    lower.assign(after, made.weights(weights))
    image = np.random.default_rng(1).uniform(-1, 1, (1, *before.input_shape[1:])).astype(np.float32)
    wanted, got = before(image, training=False), after(image, training=False)
    return max(relative_error(got[name], wanted[name]) for name in wanted)


FUSE = replace(CASES["hed"], graph=cut(CASES["hed"].graph, ["fuse"]))
DEPLOYED = {
    "hed": (CASES["hed"], "xnnpack"),
    "hed, builtin": (CASES["hed"], "builtin"),
    "fuse": (FUSE, "xnnpack"),
    "fuse, int16": (FUSE, "builtin16"),
    "resnet_cifar_v2": (spec("resnet_cifar_v2"), "xnnpack"),
    "shufflenet_v2": (spec("shufflenet_v2", input__size=64), "builtin"),
    "mobilenet_v3_small": (spec("mobilenet_v3_small", input__size=32), "builtin"),
}


@pytest.mark.parametrize("name", DEPLOYED)
def test_a_deployed_network_answers_the_same(name: str) -> None:
    assert relative(*DEPLOYED[name]) <= 1e-5


def test_other_weights_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = passes.deploy

    def wrong(graph: Graph, form: str) -> passes.Rewrite:
        made = right(graph, form)
        return replace(made, weights=lambda w: {k: [v * 1.001 for v in vs] for k, vs in made.weights(w).items()})

    monkeypatch.setattr(passes, "deploy", wrong)
    assert relative(CASES["chain"], "xnnpack") > 1e-5


OPS = {
    "tail": (cut(CASES["hed"].graph, ["fuse"]), "xnnpack", {"ADD": 14, "DEPTH_TO_SPACE": 5, "TRANSPOSE_CONV": 0}),
    "norm": (table("BatchNorm\nActivation: {activation: relu}").graph, "xnnpack", {"DEPTHWISE_CONV_2D": 1, "RELU": 0}),
    "relu": (table("MaxPool\nActivation: {activation: relu6}").graph, "builtin", {"DEPTHWISE_CONV_2D": 1, "RELU6": 0}),
    "dense": (table("GlobalPool\nDense: {units: 5}").graph, "builtin", {"FULLY_CONNECTED": 0, "CONV_2D": 1}),
    "resize": (table("Resize").graph, "builtin", {"RESIZE_BILINEAR": 0, "RESIZE_NEAREST_NEIGHBOR": 1}),
}


@pytest.mark.parametrize("name", OPS)
def test_the_converter_keeps_what_a_pass_wrote(name: str) -> None:
    from archspec.artifact import inspect_tflite
    from archspec.tf import export, lower

    graph, form, wanted = OPS[name]
    made = passes.deploy(graph, form).graph
    model = lower.lower(made)
    randomize(model)
    data = export.convert(model, [name for name, _ in made.outputs])
    found = {use.op: use.count for use in inspect_tflite(data).ops}
    assert {op: found.get(op, 0) for op in wanted} == wanted
