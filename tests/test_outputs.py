"""`--outputs`: a network up to the rows that are asked for, as Slim's final_endpoint builds it."""

import json
import random

import pytest
from command import call
from networks import SPECS, shipped, spec, table

from archspec.analysis import Network, document, network
from archspec.cost import cost
from archspec.diagnostics import SpecError
from archspec.graph import INPUT, Graph, cut
from archspec.source import read_source


def up_to(name: str, *outputs: str, variant: str | None = None) -> Network:
    return network(document(read_source(SPECS / f"{name}.yaml"), outputs=outputs), variant)


def needed(graph: Graph, names: list[str]) -> list[str]:
    """The nodes that some rows' outputs need, by name, each looked for from the outputs up."""
    found: set[int] = set()
    left = [row.output.node for row in graph.rows if row.name in names]
    while left:
        number = left.pop()
        if number != INPUT and number not in found:
            found.add(number)
            left += [t.node for t in graph.nodes[number].inputs]
    return [graph.nodes[number].name for number in sorted(found)]


@pytest.mark.parametrize("name", [name for name, variant in shipped() if variant is None])
def test_what_is_left_is_what_the_outputs_need(name: str) -> None:
    whole = spec(name).graph
    draw = random.Random(name)
    for count in (1, 1, 2, 3):
        names = draw.sample([row.name for row in whole.rows], min(count, len(whole.rows)))
        part = cut(whole, names)
        assert [node.name for node in part.nodes] == needed(whole, names)
        shapes = {row.name: row.output.shape for row in whole.rows}
        assert [(name, tensor.shape) for name, tensor in part.outputs] == [(name, shapes[name]) for name in names]
        reads = {node.name: [whole.nodes[t.node].name for t in node.inputs if t.node != INPUT] for node in whole.nodes}
        for node in part.nodes:
            assert [part.nodes[t.node].name for t in node.inputs if t.node != INPUT] == reads[node.name]


def test_rows_keep_their_counts() -> None:
    """Of every row that is left; what it needs stands above it, so nothing about it changes."""
    whole = {row.name: row for row in spec("mobilenet_v2_hed").cost.rows}
    part = up_to("mobilenet_v2_hed", "side2", "c3").cost
    assert [row.name for row in part.rows] == ["conv_1", "c1", "conv_2", "c2", "c3", "side2"]
    assert all(row == whole[row.name] for row in part.rows)
    assert part.params == sum(row.params for row in part.rows) < spec("mobilenet_v2_hed").cost.params


def test_the_base_of_a_classifier() -> None:
    """Slim's mobilenet_v1_base ends at Conv2d_13_pointwise; its docstring counts 567,716,352 MACs."""
    base = up_to("mobilenet_v1", "c5")
    assert base.cost.macs == 567716352
    assert base.graph.outputs[0][1].shape == (7, 7, 1024)
    assert up_to("mobilenet_v1", "c5", variant="w0.75-r128").cost.macs == 106002432


def test_all_rows_are_the_whole_network() -> None:
    whole = spec("mobilenet_v2_hed").graph
    part = cut(whole, [row.name for row in whole.rows])
    assert (part.nodes, part.rows) == (whole.nodes, whole.rows)
    assert cost(part).params == cost(whole).params


def test_a_row_without_nodes_may_be_an_output() -> None:
    whole = table("Conv: {depth: 4}\nActivation: {activation: none, name: same}\nConv: {depth: 8}").graph
    part = cut(whole, ["same"])
    assert [row.name for row in part.rows] == ["conv_1", "same"]
    assert part.outputs[0][1].shape == (9, 7, 4)


@pytest.mark.parametrize(
    ("outputs", "code", "message", "place"),
    [
        (("c4", "c9"), "unknown-row", "no row has the name `c9`", (3, 5)),
        (("c4", "c4"), "duplicate-name", "output `c4` stands twice", (3, 5)),
        (("input",), "unknown-row", "no row has the name `input`", (0, 5)),
    ],
)
def test_refuses(outputs: tuple[str, ...], code: str, message: str, place: tuple[int, int]) -> None:
    with pytest.raises(SpecError) as raised:
        up_to("mobilenet_v1", *outputs)
    (found,) = raised.value.diagnostics
    assert (found.code, found.message) == (code, message)
    assert (found.span.source.name, found.span.start, found.span.end) == ("--outputs", *place)


def test_a_fault_of_the_spec_is_still_one() -> None:
    with pytest.raises(SpecError) as raised:
        network(document(read_source(SPECS / "mobilenet_v1.yaml"), outputs=("c4",)), "w9")
    assert [found.code for found in raised.value.diagnostics] == ["unknown-variant"]


def test_params() -> None:
    ran = call("params", SPECS / "mobilenet_v1.yaml", "--outputs", "c5", "--json").clean()
    rows = {row["variant"]: row for row in json.loads(ran.out)}
    assert rows[None]["macs"] == 567716352
    assert rows["w0.75-r128"]["macs"] == 106002432
    assert [row["name"] for row in rows[None]["rows"]][-1] == "c5"


def test_show() -> None:
    ran = call("show", SPECS / "mobilenet_v2_hed.yaml", "--outputs", "side2, c3").clean()
    assert "outputs: side2 256×256×1, c3 64×64×12\n" in ran.out
    assert "c4" not in ran.out


@pytest.mark.parametrize("command", ["params", "show", "build"])
def test_commands_refuse(command: str) -> None:
    ran = call(command, SPECS / "mobilenet_v1.yaml", "--outputs", "c44").clean()
    assert (ran.code, ran.err.splitlines()[0]) == (1, "error[unknown-row]: no row has the name `c44`")
    assert ran.err.count("error") == 1, "once, not for every variant"
    assert call(command, SPECS / "mobilenet_v1.yaml", "--outputs", "c4,").clean().code == 2
