"""Any value at any place, any override, any text and any file gives a graph or findings."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from survival import EVERYTHING, WORDS, assert_survives

from archspec import graph
from archspec.analysis import document, network, open_spec
from archspec.diagnostics import Source, Span
from archspec.overlay import assignment
from archspec.read import scalars
from archspec.source import Map, Node, Seq, parse


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MOST_NODES", 3000)  # a digit more must not take seconds


def nodes(node: Node) -> list[Node]:
    """A tree's nodes, itself first."""
    inner = node.items if isinstance(node, Seq) else [v for _, v in node.entries] if isinstance(node, Map) else []
    return [node, *(n for child in inner for n in nodes(child))]


TREE = parse(Source("spec.yaml", EVERYTHING))
PLACES = [node.span for node in nodes(TREE)] + [
    key.span for node in nodes(TREE) if isinstance(node, Map) for key, _ in node.entries
]
SCALARS = st.one_of(
    st.sampled_from([w for w in WORDS if w.strip()]),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=8).map(json.dumps),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[" + ", ".join(items) + "]"),
        st.dictionaries(SCALARS, inner, max_size=3).map(
            lambda d: "{" + ", ".join(f"{k}: {v}" for k, v in d.items()) + "}"
        ),
    ),
    max_leaves=6,
)


KEYS = ["scale.width", "input", "input.size", "let.k", "let", "defaults.all.norm", "outputs", "layers", "variants",
        "variants.small", "expect.params", "a.b.c", "model", "targets.x86_64", ""]  # fmt: skip


def test_places_are_all_of_the_language() -> None:
    texts = [span.source.text[span.start : span.end] for span in PLACES]
    assert {"layers", "$thin", "[[0, 1], [1, 0]]", "small", "none", EVERYTHING} <= {*texts, texts[0].rstrip() + "\n"}
    assert len(list(scalars(TREE))) > 90


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_any_value_at_any_place_survives(place: Span, value: str) -> None:
    assert_survives(EVERYTHING[: place.start] + value + EVERYTHING[place.end :])


@settings(max_examples=150, deadline=None)
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_any_override_survives(key: str, value: str) -> None:
    def analyse(text: str) -> None:
        doc = document(Source("spec.yaml", text), [assignment("--set", f"{key}={value}")])
        for variant in (None, *doc.variants[:1]):
            network(doc, variant)

    assert_survives(EVERYTHING.replace("expect: {params: 1, macs: 2}\n", ""), analyse)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_survives(text: str) -> None:
    assert_survives(text)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_file_survives(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    def analyse(name: str) -> None:
        network(open_spec(Path(name)))

    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    assert_survives(str(path), analyse)
