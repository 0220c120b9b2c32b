"""Every pass keeps what a network answers, by numpy in double precision, and does what it is for."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from networks import shipped, spec, table
from numpy_graph import answers, random_layers

from archspec.graph import Graph, cut
from archspec.passes import Rewrite, Weights, deploy, form_for
from archspec.passes.deploy import PASSES, PLAIN
from archspec.passes.norms import ahead, alone, spread
from archspec.passes.runtime import clamped, without_bilinear, without_dense
from archspec.passes.tail import merge_tail
from archspec.passes.thin import thin, transposed
from archspec.passes.tidy import tidy
from archspec.spec import Target

EXACT = 1e-9  # of the largest value, in double precision

BARE = "norm: false, activation: none"
TAIL = """
    Conv: {depth: 3, stride: 2, name: a}
    Conv: {depth: 3, stride: 2, name: b}
    Conv: {depth: 3, stride: 2, name: c}
    SideOutput: {from: input, depth: 1, norm: false, name: s1}
    SideOutput: {from: a, upsample: 2, norm: false, name: s2}
    SideOutput: {from: b, upsample: 4, norm: false, name: s4}
    SideOutput: {from: c, upsample: 8, norm: false, name: s8}
    Concat: {from: [s1, s2, s4, s8]}
    Logits: {depth: 1, name: fuse}
"""


def graph(rows: str, size: str = "[8, 16, 3]") -> Graph:
    return table(rows, size).graph


def apart(before: Graph, made: Rewrite) -> float:
    """The largest difference between the answers of two graphs, as a share of the largest value."""
    layers = random_layers(before)
    image = np.random.default_rng(1).normal(size=before.input_shape)
    wanted, got = answers(before, layers, image), answers(made.graph, made.weights(layers), image)
    assert list(wanted) == list(got)
    return max(float(np.abs(got[name] - wanted[name]).max() / np.abs(wanted[name]).max()) for name in wanted)


def kinds(one: Graph) -> Counter[str]:
    return Counter(type(node.op).__name__ for node in one.nodes)


def assert_sound(one: Graph) -> None:
    """Names are unique, nodes stand behind what they read, rows cover them, and shapes are the ops' own."""
    assert len({node.name for node in one.nodes}) == len(one.nodes)
    for number, node in enumerate(one.nodes):
        assert all(t.node < number for t in node.inputs)
        assert node.op.shape(*node.input_shapes) == node.shape
        assert all(t.shape == one.nodes[t.node].shape for t in node.inputs if t.node >= 0)
    assert [n for row in one.rows for n in range(row.start, row.stop)] == list(range(len(one.nodes)))


CASES: dict[str, tuple[Callable[[Graph], Rewrite], Graph, dict[str, int]]] = {
    # what is dropped
    "dropout": (tidy, graph("Conv: {depth: 2}\nDropout: {drop: 0.5}\nConv: {depth: 3}"), {"Dropout": 0, "Conv": 2}),
    "twice": (
        tidy,
        graph("MaxPool: {from: input, name: a}\nMaxPool: {from: input, name: b}\nAdd: {from: [a, b]}"),
        {"Pool": 1},
    ),
    "reshapes": (tidy, graph("Reshape: {shape: [16, 8, 3]}\nFlatten\nDense: {units: 2}"), {"Reshape": 1}),
    "idle": (
        tidy,
        graph("Pad: {zeros: [[0, 0], [0, 0]]}\nResize: {factor: 1}\nMaxPool: {kernel: 1, stride: 1}\nConv: {depth: 2}"),
        {"Pad": 0, "Resize": 0, "Pool": 0},
    ),
    # norms
    "concat": (
        spread,
        graph(
            f"Conv: {{depth: 2, {BARE}, name: a}}\n"
            f"DepthwiseConv: {{from: input, multiplier: 2, {BARE}, name: b}}\n"
            f""
            "Concat: {from: [a, b]}\nBatchNorm"
        ),
        {"BatchNorm": 0, "Concat": 1},
    ),
    "sum": (
        spread,
        graph(
            f"Conv: {{depth: 2, {BARE}, bias: true, name: a}}\n"
            f"Conv: {{from: input, depth: 2, {BARE}, name: b}}\n"
            f""
            "Add: {from: [a, b]}\nBatchNorm"
        ),
        {"BatchNorm": 0},
    ),
    "pooled": (
        spread,
        graph(f"TransposeConv: {{depth: 2, kernel: 3, {BARE}}}\nAvgPool: {{kernel: 3}}\nGlobalPool\nBatchNorm"),
        {"BatchNorm": 0},
    ),
    "resized": (spread, graph(f"Conv: {{depth: 2, {BARE}}}\nResize: {{factor: 3}}\nBatchNorm"), {"BatchNorm": 0}),
    "two norms": (spread, graph(f"Conv: {{depth: 2, {BARE}}}\nBatchNorm\nBatchNorm"), {"BatchNorm": 0}),
    "max": (spread, graph(f"Conv: {{depth: 2, {BARE}}}\nMaxPool\nBatchNorm"), {"BatchNorm": 1}),
    "half": (
        spread,
        graph(f"Conv: {{depth: 2, {BARE}, name: a}}\nConcat: {{from: [a, input]}}\nBatchNorm"),
        {"BatchNorm": 1},
    ),
    "shared": (
        spread,
        graph(f"Conv: {{depth: 2, {BARE}, name: a}}\nBatchNorm: {{name: b}}\nAdd: {{from: [a, b]}}"),
        {"BatchNorm": 1},
    ),
    "ahead": (
        ahead,
        graph(
            "BatchNorm: {name: n}\n"
            "Conv: {depth: 2, kernel: 1, norm: false, name: a}\n"
            ""
            "Conv: {from: n, depth: 2, kernel: 1, stride: 1, norm: false, name: b}\n"
            "Add: {from: [a, b]}"
        ),
        {"BatchNorm": 0},
    ),
    "ahead, valid": (ahead, graph("BatchNorm\nConv: {depth: 2, padding: valid, norm: false}"), {"BatchNorm": 0}),
    "ahead, dense": (ahead, graph("GlobalPool\nBatchNorm\nDense: {units: 3, bias: false}"), {"BatchNorm": 0}),
    "ahead, same": (ahead, graph("BatchNorm\nConv: {depth: 2, norm: false}"), {"BatchNorm": 1}),
    "alone": (alone, graph("BatchNorm: {norm_scale: false}\nActivation: {activation: relu}"), {"DepthwiseConv": 1}),
    # the tail
    "tail": (merge_tail, graph(TAIL), {"TransposeConv": 0, "Concat": 0, "DepthToSpace": 2, "Add": 1}),
    "tail, wide": (
        merge_tail,
        graph(TAIL.replace("depth: 1", "depth: 2").replace("upsample", "depth: 2, upsample")),
        {"TransposeConv": 3, "Add": 1},
    ),
    "tail, one size": (
        merge_tail,
        graph(
            f"Conv: {{depth: 2, {BARE}, name: a}}\n"
            f"Conv: {{from: input, depth: 1, {BARE}, bias: true, name: b}}\n"
            f""
            "Concat: {from: [a, b]}\nLogits: {depth: 1}"
        ),
        {"Concat": 0, "Conv": 2, "Add": 1},
    ),
    "tail, odd": (merge_tail, graph(TAIL, "[24, 8, 3]"), {"Concat": 0}),
    "tail, served": (
        merge_tail,
        cut(graph(TAIL), ["fuse", "s4"]),
        {"Concat": 1, "TransposeConv": 3},
    ),
    "tail, narrow": (
        merge_tail,
        graph(f"Conv: {{depth: 2, {BARE}, name: a}}\nConcat: {{from: [a, a]}}\nLogits: {{depth: 3}}"),
        {"Concat": 1},
    ),
    # phases
    "thin": (thin, graph("Conv: {depth: 2}\nConv: {depth: 7, kernel: [5, 3], norm: false}"), {"DepthToSpace": 2}),
    "thin, explicit": (
        thin,
        graph("Conv: {depth: 2, padding: explicit, activation: none, norm: false}"),
        {"DepthToSpace": 1},
    ),
    "not thin": (
        thin,
        graph("Conv: {depth: 8}\nConv: {depth: 2, stride: 2}\nConv: {depth: 2, rate: 2}\nConv: {depth: 2, kernel: 1}"),
        {"DepthToSpace": 0},
    ),
    "odd": (thin, graph("Conv: {depth: 2}", "[7, 8, 3]"), {"DepthToSpace": 0}),
    "transposed": (
        transposed,
        graph(f"Conv: {{depth: 1, {BARE}}}\nTransposeConv: {{depth: 1, kernel: [5, 8], stride: 4, norm: false}}"),
        {"DepthToSpace": 1, "TransposeConv": 0},
    ),
    "transposed, wide": (transposed, graph("TransposeConv: {depth: 2, kernel: 4}"), {"TransposeConv": 1}),
    "tiles": (
        lambda one: transposed(one, tiles=True),
        graph(
            "TransposeConv: {depth: 2, kernel: 2, norm: false}\n"
            "TransposeConv: {depth: 2, kernel: 3, stride: 3, padding: valid, activation: none, norm: false}"
        ),
        {"TransposeConv": 0},
    ),
    # runtimes
    "relu": (
        clamped,
        graph("MaxPool\nActivation: {activation: relu6, name: a}\nConv: {depth: 2, norm: false}"),
        {"DepthwiseConv": 1},
    ),
    "relu, taken in": (
        clamped,
        graph("Conv: {depth: 2, norm: false, name: a}\nAdd: {from: [a, a], activation: relu}"),
        {"DepthwiseConv": 0},
    ),
    "dense": (
        without_dense,
        graph("GlobalPool\nDense: {units: 4, activation: relu}\nDense: {units: 2, bias: false}"),
        {"Dense": 0},
    ),
    "resize": (without_bilinear, graph("Resize"), {"Resize": 1, "DepthwiseConv": 1}),
    "resize by 3": (without_bilinear, graph("Resize: {factor: 3}"), {"DepthwiseConv": 0}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_pass_keeps_the_answers(name: str) -> None:
    step, before, wanted = CASES[name]
    made = step(before)
    assert {kind: kinds(made.graph)[kind] for kind in wanted} == wanted
    assert_sound(made.graph)
    assert apart(before, made) <= EXACT
    assert bool(made.notes) == (made.graph != before)


def test_a_wrong_weight_is_noticed() -> None:
    before = CASES["tail"][1]
    made = merge_tail(before)
    first = next(iter(made.weights(random_layers(before))))

    def wrong(weights: Weights) -> Weights:
        right = dict(made.weights(weights))
        return {**right, first: [right[first][0] * 1.001, *right[first][1:]]}

    assert apart(before, replace(made, weights=wrong)) > EXACT


def test_an_unsound_graph_is_noticed() -> None:
    one = graph("Conv: {depth: 2}")
    with pytest.raises(AssertionError):
        assert_sound(replace(one, nodes=(one.nodes[0]._replace(name=one.nodes[1].name), *one.nodes[1:])))


def test_nodes_that_no_output_needs_go() -> None:
    """A row that is cut to its middle keeps what stands before."""
    one = graph("Conv: {depth: 2, name: a}\nConv: {depth: 2}")
    inner = replace(one, outputs=(("a", one.rows[0].output._replace(node=0)),))
    made = tidy(inner).graph
    assert [node.name for node in made.nodes] == ["a_conv"]
    assert [(row.name, row.output.node) for row in made.rows] == [("a", 0)]


def test_an_output_keeps_its_node() -> None:
    """Two outputs that are one tensor cannot be told apart in a file."""
    one = graph("Conv: {depth: 2, name: a}\nDropout: {drop: 0.5, name: b}")
    both = replace(one, outputs=tuple((row.name, row.output) for row in one.rows))
    assert tidy(both).graph == both


def test_every_network_of_the_zoo_is_deployed_soundly() -> None:
    for name, variant in shipped():
        if variant is not None:
            continue
        one = spec(name).graph
        for form in PASSES:
            made = deploy(one, form).graph
            assert_sound(made)
            assert [(n, t.shape) for n, t in made.outputs] == [(n, t.shape) for n, t in one.outputs]
            assert form == PLAIN or kinds(made)["BatchNorm"] == 0


def test_tensors_that_mean_something_else_have_other_names() -> None:
    before = CASES["sum"][1]
    made = spread(before)
    names = {node.name for node in before.nodes}
    assert [node.name for node in made.graph.nodes if node.name in names] == ["batch_norm_1_bn"]
    assert [node.name for node in made.graph.nodes] == ["a_conv_normed", "b_conv_normed", "batch_norm_1_bn"]
    tail = merge_tail(CASES["tail"][1]).graph
    assert {"s8_upsample", "s2_upsample", "s1_conv"}.isdisjoint(node.name for node in tail.nodes)
    assert tail.nodes[-1].name == "fuse_conv"


def test_the_document_scanners_tail() -> None:
    one = cut(spec("mobilenet_v2_hed").graph, ["fuse"])
    made = deploy(one, "xnnpack")
    assert kinds(made.graph)["Concat"] == kinds(made.graph)["TransposeConv"] == 0
    assert made.notes[1] == (
        "linear tail merged into its branches: fuse_conv (5 branches, summed at 1/16, 1/8, 1/4 of the size)"
    )
    assert kinds(deploy(one, "xnnpack16").graph)["DepthToSpace"] == 0


def test_the_form_of_a_target() -> None:
    edges, classes = spec("mobilenet_v2_hed").graph, spec("mobilenet_v2").graph
    assert [form_for(abi, Target(), edges) for abi in ("arm64-v8a", "armeabi-v7a")] == ["xnnpack", "xnnpack"]
    assert [form_for(abi, Target(), classes) for abi in ("arm64-v8a", "armeabi-v7a")] == ["xnnpack", "builtin"]
    assert form_for("arm64-v8a", Target("int16x8"), edges) == "xnnpack16"
    assert form_for("armeabi-v7a", Target(int16_rows=("fuse",)), edges) == "xnnpack16"
