"""A repeated row's copies are what its block adds when it is called each time."""

import pytest
from networks import shipped, spec, table

from archspec.graph import Graph, Net, Tensor

REPEATED = [
    name for name in shipped() if name[1] is None or name[0] in ("mobilenet_v1", "resnet_cifar", "efficientnet")
]


def called_each_time(monkeypatch: pytest.MonkeyPatch, name: str, variant: str | None) -> Graph:
    with monkeypatch.context() as patch:
        patch.setattr(Net, "again", lambda *given: None)
        return spec(name, variant).graph


@pytest.mark.parametrize(("name", "variant"), REPEATED)
def test_copies_are_what_calls_give(monkeypatch: pytest.MonkeyPatch, name: str, variant: str | None) -> None:
    graph, plain = spec(name, variant).graph, called_each_time(monkeypatch, name, variant)
    assert graph.nodes == plain.nodes
    assert [row._replace(span=None) for row in graph.rows] == [row._replace(span=None) for row in plain.rows]  # type: ignore[arg-type]
    assert graph.outputs == plain.outputs


def test_copies_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    again = Net.again

    def counted(self: Net, start: int, before: Tensor, x: Tensor, prefix: str) -> Tensor | None:
        made.append(1)
        return again(self, start, before, x, prefix)

    monkeypatch.setattr(Net, "again", counted)
    table("InvertedResidual: {depth: 3, repeat: 5}")
    assert len(made) == 4


def test_a_map_that_shrinks_is_not_copied() -> None:
    rows = table("Conv: {depth: 4, padding: valid, repeat: 3}", size="[9, 9, 3]").graph.rows
    assert rows[0].output.shape == (3, 3, 4)


def test_strides_owed_to_an_output_stride_are_not_copied() -> None:
    rows = "Conv: {depth: 4, stride: 2}\nConv: {depth: 4, stride: 2, repeat: 4}"
    nodes = table(rows, size="[32, 32, 3]", head="output_stride: 2").graph.nodes
    assert [n.op.rate for n in nodes if n.role == "conv"] == [1, 1, 2, 2, 2]  # type: ignore[attr-defined]
