"""Costs of whole networks: against published tables, and peak memory against a recomputation by definition."""

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from diagnostic_pages import blocks_of
from little import HEAD, built, spec

from archspec.analysis import Network, network, open_spec
from archspec.cost import cost
from archspec.graph import INPUT, Graph
from archspec.ops import BatchNorm, Split

SPECS = Path(__file__).resolve().parent.parent / "specs"

# TF-Slim's table in the docstring of mobilenet_v1.py, 1.0 at 224: layer, parameters (no batch norm), MACs
SLIM = [
    ("Conv2d_0", 864, 10_838_016),
    ("Conv2d_1_depthwise", 288, 3_612_672), ("Conv2d_1_pointwise", 2_048, 25_690_112),
    ("Conv2d_2_depthwise", 576, 1_806_336), ("Conv2d_2_pointwise", 8_192, 25_690_112),
    ("Conv2d_3_depthwise", 1_152, 3_612_672), ("Conv2d_3_pointwise", 16_384, 51_380_224),
    ("Conv2d_4_depthwise", 1_152, 903_168), ("Conv2d_4_pointwise", 32_768, 25_690_112),
    ("Conv2d_5_depthwise", 2_304, 1_806_336), ("Conv2d_5_pointwise", 65_536, 51_380_224),
    ("Conv2d_6_depthwise", 2_304, 451_584), ("Conv2d_6_pointwise", 131_072, 25_690_112),
    *[("Conv2d_7..11_depthwise", 4_608, 903_168), ("Conv2d_7..11_pointwise", 262_144, 51_380_224)] * 5,
    ("Conv2d_12_depthwise", 4_608, 225_792), ("Conv2d_12_pointwise", 524_288, 25_690_112),
    ("Conv2d_13_depthwise", 9_216, 451_584), ("Conv2d_13_pointwise", 1_048_576, 51_380_224),
]  # fmt: skip
SLIM_TOTAL = (3_185_088, 567_716_352)


def shipped(name: str) -> Network:
    return network(open_spec(SPECS / f"{name}.yaml"))


def test_mobilenet_v1_is_slims_table_layer_by_layer() -> None:
    counted = []
    for node in shipped("mobilenet_v1").graph.nodes:
        if node.op.weights(*node.input_shapes) and not isinstance(node.op, BatchNorm):
            params = sum(w.size for w in node.op.weights(*node.input_shapes))
            counted.append((params, node.op.macs(*node.input_shapes)))
    assert counted[:-1] == [(params, macs) for _, params, macs in SLIM]  # the last one is the classifier
    assert tuple(map(sum, zip(*counted[:-1], strict=True))) == SLIM_TOTAL
    assert counted[-1] == (1024 * 1000 + 1000, 1024 * 1000)


def test_slims_table_is_that_of_the_reference(shared: Callable[[str], Path]) -> None:
    text = shared("reference/counts.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("Slim per-layer table"))
    for layer, params, macs in [SLIM[0], SLIM[1], SLIM[2], ("total", *SLIM_TOTAL)]:
        assert f"{params:,} / {macs:,}" in line, layer


VGG_16 = spec(
    *(f"Conv: {{depth: {depth}, repeat: {repeat}, name: conv{i}}}\n- MaxPool: {{name: pool{i}}}"
      for i, (depth, repeat) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 1)),
).replace("[32, 32, 3]", "[224, 224, 3]")  # fmt: skip


@pytest.mark.parametrize(
    ("net", "row", "field", "stride"),
    [
        # Araujo et al., Computing Receptive Fields of Convolutional Neural Networks, Distill 2019, table
        (lambda: shipped("mobilenet_v1"), "c5", 315, 32),
        (lambda: shipped("mobilenet_v2"), "c5", 491, 32),
        (lambda: built(VGG_16), "pool5", 212, 32),
        # Simonyan and Zisserman 2014, section 2.3: three 3×3 convolutions see 7×7
        (lambda: built(spec("Conv: {depth: 8, repeat: 3, name: c}")), "c", 7, 1),
        # Yu and Koltun 2016, figure 1: rates 1, 2, 4 see 3, 7, 15
        (lambda: built(spec(*(f"Conv: {{depth: 8, rate: {r}, name: c{r}}}" for r in (1, 2, 4)))), "c4", 15, 1),
    ],
)
def test_receptive_field_is_the_published_one(net: Callable[[], Network], row: str, field: int, stride: int) -> None:
    found = next(r for r in net().cost.rows if r.name == row)
    assert (found.receptive_field, found.stride) == (field, stride)


def test_receptive_field_of_a_branch_is_the_widest() -> None:
    rows = ("Conv: {depth: 8, kernel: 1, name: a}", "Conv: {depth: 8, kernel: [1, 9], from: input, name: b}")
    assert [r.receptive_field for r in built(spec(*rows, "Add: {from: [a, b]}")).cost.rows] == [1, 9, 9]


def test_sums_are_those_of_the_rows() -> None:
    counted = shipped("mobilenet_v2").cost
    assert counted.params == sum(r.params for r in counted.rows) == 3_538_984
    assert counted.trainable == sum(r.trainable for r in counted.rows) == 3_504_872
    assert counted.macs == sum(r.macs for r in counted.rows) == 300_774_272


def test_frozen_weights_are_parameters_that_are_not_trained() -> None:
    counted = built(spec("Conv: {depth: 8, trainable: false}", "Conv: {depth: 2, norm: false}")).cost
    assert (counted.params, counted.trainable) == (3 * 3 * 3 * 8 + 32 + 3 * 3 * 8 * 2 + 2, 3 * 3 * 8 * 2 + 2)


@pytest.mark.parametrize(
    ("rows", "peak"),
    [
        # image 3072 and a map of 8192; then two maps
        (["Conv: {depth: 8, norm: false, activation: none}"] * 2, 8192 * 2),
        # batch norm and activation write over the convolution's map
        (["Conv: {depth: 8}"], 3072 + 8192),
        # the pooled map is written while the image is there
        (["MaxPool"], 3072 + 768),
        # an activation of the image may not write over it
        (["Activation: {activation: relu}"], 3072 * 2),
        # a is read again by the sum, so b's activation has a map of its own
        (["Conv: {depth: 8, norm: false, activation: none, name: a}", "Activation: {activation: relu, name: b}",
          "Add: {from: [a, b]}"], 8192 * 3),
    ],
)  # fmt: skip
def test_peak_by_hand(rows: list[str], peak: int) -> None:
    counted = built(spec(*rows)).cost
    assert counted.activation_elements == peak
    assert counted.activation_bytes == {"int8": peak, "float32": 4 * peak}


def peak_by_definition(graph: Graph) -> int:
    """The largest sum of elements of all tensors alive at one step, from the definition: every step looks at all.

    A tensor lives from the step that makes it to the last one that reads it, an output to the end. What works in
    place shares the memory of its input, where it is that one's only reader and the input is not the image.
    """
    sizes = {(INPUT, 0): graph.input_shape}
    for i, node in enumerate(graph.nodes):
        for part in range(node.op.parts if isinstance(node.op, Split) else 1):
            sizes[i, part] = node.shape
    elements = {key: math.prod(shape) for key, shape in sizes.items()}
    outputs = {(t.node, t.output) for _, t in graph.outputs}
    readers = {
        key: [i for i, n in enumerate(graph.nodes) for t in n.inputs if (t.node, t.output) == key] for key in sizes
    }
    home = {key: key for key in sizes}
    for i, node in enumerate(graph.nodes):
        source = (node.inputs[0].node, node.inputs[0].output)
        if node.op.in_place and source[0] != INPUT and readers[source] == [i] and source not in outputs:
            home[i, 0] = home[source]
    peak = elements[INPUT, 0]
    for step in range(len(graph.nodes)):
        alive = {
            home[key] for key in sizes if key[0] <= step and (key in outputs or step <= max([key[0], *readers[key]]))
        }
        peak = max(peak, sum(elements[key] for key in alive))
    return peak


def random_table(rng: random.Random) -> str:
    """A table of up to 12 rows that each read some rows above; those that nothing reads are outputs."""
    channels, unread, rows = {"input": 3}, set[str](), []
    for i in range(rng.randint(1, 12)):
        name, read = f"r{i}", [rng.choice(list(channels)[-4:])]
        depth, given = rng.choice([1, 2, 4]), channels[read[0]]
        made = {
            f"Conv: {{depth: {depth}, kernel: 1, norm: {rng.choice(['true', 'false'])}, ": depth,
            "Activation: {activation: relu, ": given,
            "Dropout: {drop: 0.5, ": given,
            "BatchNorm: {norm_scale: false, ": given,
            "MaxPool: {stride: 1, ": given,
            "Concat: {": 0,
        } | ({"Halve: {": given // 2} if given % 2 == 0 else {})
        row = rng.choice(list(made))
        if row == "Concat: {":
            read.append(rng.choice(list(channels)))
        channels[name] = made[row] or sum(channels[r] for r in read)
        rows.append(f"{row}from: [{', '.join(read)}], name: {name}}}")
        unread = (unread - set(read)) | {name}
    return spec(*rows, head=f"outputs: [{', '.join(sorted(unread))}]\n")


@pytest.mark.parametrize("seed", range(120))
def test_peak_is_that_of_its_definition(seed: int) -> None:
    with blocks_of("user_blocks"):
        graph = built(random_table(random.Random(seed))).graph
    assert cost(graph).activation_elements == peak_by_definition(graph)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v2_hed", "vgg_hed"])
def test_peak_of_a_shipped_network_is_that_of_its_definition(name: str) -> None:
    net = shipped(name)
    assert net.cost.activation_elements == peak_by_definition(net.graph)


def test_random_tables_hold_what_makes_a_difference() -> None:
    texts = [random_table(random.Random(seed)) for seed in range(120)]
    for word in ("Concat", "Halve", "Dropout", "BatchNorm", "Activation", "from: [input]"):
        assert sum(word in text for text in texts) > 10, word


def test_network_that_is_its_image() -> None:
    net = built(HEAD + "layers:\n- Activation: {activation: none}\n")
    assert net.graph.nodes == ()
    assert (net.cost.params, net.cost.macs, net.cost.activation_elements) == (0, 0, 3072)
    assert (net.cost.rows[0].receptive_field, net.cost.rows[0].stride) == (1, 1)
