"""Rows to nodes: wiring, names, defaults, what changes nothing, blocks of a user's own."""

import time

import pytest
from little import assert_finds, built, findings, pointed_at, spec

from archspec import analysis, graph
from archspec.diagnostics import Source
from archspec.graph import INPUT
from archspec.ops import Activation, BatchNorm, Conv

C1, C2 = "Conv: {depth: 8, name: c1}", "Conv: {depth: 8, name: c2}"


def wiring(text: str) -> dict[str, list[str]]:
    """Row name -> the names of the rows that it reads."""
    network = built(text).graph
    gives = {row.output: row.name for row in network.rows} | {(INPUT, 0, network.input_shape): "input"}
    found = {}
    for row in network.rows:
        inside = range(row.start, row.stop)
        read = [t for node in network.nodes[row.start : row.stop] for t in node.inputs if t.node not in inside]
        found[row.name] = [gives[t] for t in dict.fromkeys(read)]
    return found


def test_row_reads_the_row_above_or_those_it_names() -> None:
    rows = (C1, "Conv: {depth: 8, from: c1, name: c2}", "Conv: {depth: 8, from: input, name: c3}",
            "MaxPool: {stride: 1}", "Add: {from: [c3, c1, c2], name: sum}", "Concat: {from: [sum, c1]}")  # fmt: skip
    assert_finds(spec(*rows), ("dead-row", "MaxPool"))
    assert wiring(spec(*(row for row in rows if row != "MaxPool: {stride: 1}"))) == {
        "c1": ["input"], "c2": ["c1"], "c3": ["input"], "sum": ["c3", "c1", "c2"], "concat_1": ["sum", "c1"],
    }  # fmt: skip
    assert wiring(spec(C1, "MaxPool", "Flatten")) == {
        "c1": ["input"],
        "max_pool_1": ["c1"],
        "flatten_1": ["max_pool_1"],
    }


def test_single_row_may_stand_in_a_list() -> None:
    assert wiring(spec(C1, "Conv: {depth: 8, from: [input], name: c2}", "Add: {from: [c1, c2]}"))["c2"] == ["input"]


def test_rows_without_a_name_get_one_that_nobody_took() -> None:
    rows = ("Conv: {depth: 8}", "Conv: {depth: 8, name: conv_2}", "Conv: {depth: 8}", "DepthSepConv: {depth: 8}")
    assert [row.name for row in built(spec(*rows)).graph.rows] == ["conv_1", "conv_2", "conv_3", "depth_sep_conv_1"]


def test_nodes_are_named_for_row_and_role() -> None:
    network = built(spec("Conv: {depth: 8, repeat: 2, name: c1}", "Activation: {activation: relu}")).graph
    assert [node.name for node in network.nodes] == [
        "c1_1_conv", "c1_1_conv_bn", "c1_1_conv_relu", "c1_2_conv", "c1_2_conv_bn", "c1_2_conv_relu", "activation_1",
    ]  # fmt: skip
    assert [(r.name, r.repeat, r.named) for r in network.rows] == [("c1", 2, True), ("activation_1", 1, False)]


def test_repeat_strides_once_and_its_name_is_the_last() -> None:
    network = built(spec("Conv: {depth: 8, stride: 2, repeat: 3, name: c1}")).graph
    assert [node.op.stride for node in network.nodes if isinstance(node.op, Conv)] == [2, 1, 1]
    assert network.rows[0].output.node == len(network.nodes) - 1
    assert network.outputs == (("c1", network.rows[0].output),)


def activation_of(row: str, defaults: str) -> str:
    """The activation of a row under some defaults."""
    nodes = built(spec(row, head=defaults)).graph.nodes
    return next((node.op.function for node in nodes if isinstance(node.op, Activation)), "none")


@pytest.mark.parametrize(
    ("row", "defaults", "expected"),
    [
        ("Conv: {depth: 8}", "", "relu"),
        ("Conv: {depth: 8}", "defaults: {all: {activation: relu6}}\n", "relu6"),
        ("Conv: {depth: 8}", "defaults: {all: {activation: relu6}, Conv: {activation: elu}}\n", "elu"),
        ("Conv: {depth: 8}", "defaults: {Conv: {activation: elu}, all: {activation: relu6}}\n", "elu"),
        (
            "Conv: {depth: 8, activation: tanh}",
            "defaults: {all: {activation: relu6}, Conv: {activation: elu}}\n",
            "tanh",
        ),
        ("Conv: {depth: 8, activation: none}", "defaults: {Conv: {activation: elu}}\n", "none"),
    ],
)
def test_row_beats_block_beats_all_beats_function(row: str, defaults: str, expected: str) -> None:
    assert activation_of(row, defaults) == expected


def test_defaults_fill_what_a_row_requires_and_options_that_blocks_share() -> None:
    network = built(spec("Conv", "Conv: {depth: 4}", head="defaults: {Conv: {depth: 8}, all: {norm: false}}\n"))
    assert [row.output[-1] for row in network.cost.rows] == [8, 4]
    assert not any(isinstance(node.op, BatchNorm) for node in network.graph.nodes)


def test_default_is_unused_where_no_row_can_take_it() -> None:
    head = "defaults: {all: {drop: 0.5, stride: 1}, Dense: {units: 3}, Conv: {depth: 8, rate: 1}}\n"
    assert_finds(spec("Conv: {depth: 8}", head=head), ("unused-default", "drop"), ("unused-default", "units"))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (("Add: {from: [c1, c2]}", C1, C2), [("forward-reference", "c1"), ("forward-reference", "c2")]),
        (("Conv: {depth: 8, from: c1, name: c1}",), [("forward-reference", "c1")]),
        (("Conv: {depth: 8, from: c9}",), [("unknown-row", "c9")]),
        ((C1, "Conv: {depth: 8, from: conv_1}"), [("unknown-row", "conv_1")]),
        ((C1, "Conv: {depth: 8, name: c1}"), [("duplicate-name", "c1")]),
        (("Conv: {depth: 8, name: input}",), [("duplicate-name", "input")]),
        ((C1, "Activation: {activation: relu, name: c1_conv}"), [("duplicate-name", "c1_conv")]),
        ((C1, C2, "Conv: {depth: 8, from: [c1, c2]}"), [("wrong-inputs", "c1, c2")]),
        ((C1, C2, "Conv: {depth: 8, from: c1}"), [("dead-row", "Conv")]),
        ((C1, "Concat: {from: [c1, c1]}", "Dense: {units: 3}"), [("shape-mismatch", "Dense")]),
        (("TransposeConv: {stride: 2}",), [("missing-option", "TransposeConv")] * 2),
    ],
)
def test_wiring_that_is_refused(rows: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    assert_finds(spec(*rows), *expected)


def test_row_read_twice_is_shown_once() -> None:
    (found,) = findings(spec(C1, "MaxPool: {name: p}", "Concat: {from: [c1, c1, p]}"))
    assert [o.text for o in found.others] == ["`c1` is 32×32×8", "`p` is 16×16×8"]


@pytest.mark.parametrize(
    ("kernel", "label", "others"), [(33, "", ["the row above is 32×32×8"]), (17, "in repetition 2", [])]
)
def test_row_that_fails_in_a_repetition_says_which(kernel: int, label: str, others: list[str]) -> None:
    """The row above has nothing to do with what the second repetition reads."""
    (found,) = findings(spec(C1, f"Conv: {{depth: 8, kernel: {kernel}, padding: valid, repeat: 3}}"))
    assert (found.code, found.label, [o.text for o in found.others]) == ("shape-mismatch", label, others)


def test_dead_rows_are_found_by_the_last_of_them() -> None:
    text = spec(
        C1, "Conv: {depth: 8}", "Conv: {depth: 8}", "Conv: {depth: 8, from: c1, name: c2}", head="outputs: [c2]\n"
    )
    (found,) = assert_finds(text, ("dead-row", "Conv"))
    assert (found.message, found.span.start) == (
        "no output needs this `Conv`",
        text.index("Conv: {depth: 8}\n- Conv: {depth: 8, from"),
    )


def test_row_that_does_nothing_is_not_dead() -> None:
    assert built(spec(C1, "Activation: {activation: none}", "Conv: {depth: 8, from: c1}")).graph.rows[1].start == 3


def test_outputs_are_named_rows_in_the_order_that_is_written() -> None:
    network = built(spec(C1, C2, "Conv: {depth: 4, name: c3}", head="outputs: [c3, c1]\n")).graph
    assert [(name, tensor.shape) for name, tensor in network.outputs] == [("c3", (32, 32, 4)), ("c1", (32, 32, 8))]


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ("[c1, c1]", [("duplicate-name", "c1")]),
        ("[c9]", [("unknown-row", "c9")]),
        ("[input]", [("unknown-row", "input")]),
        ("[c9, c9, c1]", [("unknown-row", "c9"), ("duplicate-name", "c9")]),
        ("[]", [("wrong-length", "[]")]),
        ("c1", [("wrong-type", "c1")]),
    ],
)
def test_outputs_that_are_refused(outputs: str, expected: list[tuple[str, str]]) -> None:
    assert_finds(spec(C1, head=f"outputs: {outputs}\n"), *expected)


@pytest.mark.parametrize("expect", ["params: 248", "params: 248, trainable: 232, macs: 221184", "trainable: 232"])
def test_expectation_that_is_met(expect: str) -> None:
    """3·3·3·8 weights and four numbers a channel of batch norm, two of them trained; 32·32 pixels."""
    assert findings(spec("Conv: {depth: 8}", head=f"expect: {{{expect}}}\n")) == ()


def test_every_expectation_is_looked_at() -> None:
    text = spec("Conv: {depth: 8}", head="expect: {params: 1, trainable: 2, macs: 3}\n")
    found = assert_finds(text, *(("unmet-expectation", n) for n in "123"))
    assert [d.message for d in found] == [
        "expected 1 params, counted 248", "expected 2 trainable, counted 232", "expected 3 macs, counted 221184",
    ]  # fmt: skip


def test_too_many_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MOST_NODES", 20)
    (found,) = findings(spec(*["Conv: {depth: 8, repeat: 4}"] * 9))
    assert (found.code, found.message, found.span.start) == ("too-large", "the network has more than 20 ops", 103)


def test_tensor_too_large_to_count() -> None:
    (found,) = findings(spec("Resize: {factor: 65536, repeat: 1000}"))
    assert (found.code, pointed_at(found)) == ("too-large", "Resize")


def test_spec_of_ten_thousand_rows() -> None:
    rows = ["Conv: {depth: 8, kernel: 1}"] * 10_000
    start = time.process_time()
    network = built(spec(*rows))
    assert time.process_time() - start < 10
    assert len(network.graph.rows) == 10_000
    assert network.cost.params == (3 * 8 + 4 * 8) + 9_999 * (8 * 8 + 4 * 8)


def test_networks_of_one_document_do_not_share_state() -> None:
    doc = analysis.document(Source("s", spec("Conv: {depth: 8}", head="variants: {v: {scale: {width: 2}}}\n")))
    before = analysis.network(doc).cost
    analysis.network(doc, "v")
    assert analysis.network(doc).cost == before
