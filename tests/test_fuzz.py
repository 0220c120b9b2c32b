"""Whatever stands in a spec, archspec gives a graph or says what is wrong: never a traceback, never a wrong place."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec import graph, render
from archspec.analysis import Network, document, network, open_spec
from archspec.diagnostics import Code, Diagnostic, Source, Span, SpecError
from archspec.overlay import assignment
from archspec.read import scalars
from archspec.source import Map, Node, Seq, parse

SPECS = [path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent.parent / "specs").glob("*.yaml"))]

EVERYTHING = """\
archspec: 1
model: everything-2.0
input: {size: [$side, 32, 3], mean: [104, 117, 124], std: [$side, 1.5, 2], color: bgr, resize: crop}
let: {side: 64, k: 5, act: relu6, thin: 16, twice: 2, on: true, task: edges}
defaults:
  all: {norm: $on, momentum: 0.9}
  Conv: {activation: $act, padding: [[1, 1], [0, 1]]}
scale: {width: 0.5, layers: 1.5, divisor: 8, min_depth: 4}
output_stride: 8
layers:
- Conv: {depth: $thin, kernel: [3, $k], stride: $twice, name: c1}
- DepthSepConv: {depth: 24, stride: 2, repeat: 2, multiplier: 2}
- InvertedResidual: {depth: 32, expansion: 4.5, stride: 2, repeat: $twice, shortcut: project, name: c2}
- Conv: {depth: 64, kernel: 3, stride: 2, rate: 1, padding: same, min_depth: 40, bias: true}
- Activation: {activation: hard_swish, name: top}
- Resize: {factor: 4, method: nearest, name: up}
- SideOutput: {from: c1, upsample: 2, name: side}
- Pad: {from: c2, zeros: [[0, 1], [1, 0]]}
- MaxPool: {kernel: 2, stride: 1, padding: valid, name: pooled}
- Concat: {from: [c2, pooled, top]}
- GlobalPool
- Dropout: {drop: 0.25}
- Dense: {units: 10, activation: softmax, name: classes}
outputs: [classes, up, side]
expect: {params: 1, macs: 2}
train: {task: $task, optimizer: sgd, learning_rate: 1e-3, batch: 8, steps: 100}
targets: {x86_64: {quantize: none}, arm64-v8a: {variant: small}}
variants:
  small: {input: {size: 32}, let: {k: 3}, outputs: [side, classes, up]}
"""

WORDS = (
    "0 -1 1 2 1.5 .5 1e3 1e999 65536 65537 99999999999999999999 .nan .inf -.inf 1_000 0x10 1:30 ~ null true yes "
    "$ $x $side $k x c1 input all Conv Flatten Nope same none name from repeat depth <<: *a &a !t !!int - -- --- ... "
    ': , [ ] { } [] {} [[]] [{}] "" \' " # | > % @ ` \t \\ \n \r \0 \x85 \ufeff \u2028 é 中 😀 [1,2] {a: 1}'
).split(" ")
TOKEN = re.compile(r"[A-Za-z_$][\w.$-]*|-?[0-9][\w.]*|\n *|[^\S\n]+|.")


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MOST_NODES", 3000)  # a digit more must not take seconds


def analyse(text: str) -> None:
    """The head's network of a text, and that of one variant. Raises SpecError."""
    doc = document(Source("spec.yaml", text))
    for variant in (None, *doc.variants[-1:]):
        assert isinstance(network(doc, variant), Network)


def refusal(text: str, analyse: Callable[[str], None]) -> SpecError | None:
    """Why archspec does not take a text; None where it does. Whatever else is raised goes through."""
    try:
        analyse(text)
    except SpecError as error:
        return error
    return None


def assert_survives(text: str, analyse: Callable[[str], None] = analyse) -> bool:
    """Archspec takes the text, or refuses it with findings that make sense. Whether it took it."""
    error = refusal(text, analyse)
    if error is None:
        return True
    assert error.diagnostics
    for found in error.diagnostics:
        assert_makes_sense(found)
    for form in render.FORMATS.values():
        assert form(error.diagnostics).encode()
    return False


def assert_makes_sense(found: Diagnostic) -> None:
    """A finding has a known code, text on one line, and places inside their sources."""
    assert found.code in get_args(Code)
    assert found.message
    for words in (found.message, found.label, found.help, *(o.text for o in found.others)):
        assert "\n" not in words, words
        assert len(words) < 2000, words
        assert "archspec." not in words, words
    for span in (found.span, *(o.span for o in found.others)):
        assert 0 <= span.start <= span.end <= len(span.source.text), span


def mutant(rng: random.Random) -> str:
    """A spec with one token changed: dropped, doubled, replaced, swapped, a digit changed; or the file cut."""
    text = EVERYTHING if rng.random() < 0.5 else rng.choice(SPECS)
    tokens = TOKEN.findall(text)
    i, j = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    change = rng.choice(["drop", "double", "replace", "nasty", "swap", "digit", "cut"])
    if change == "drop":
        del tokens[i]
    elif change == "double":
        tokens.insert(i, tokens[i])
    elif change == "replace":
        tokens[i] = tokens[j]
    elif change == "nasty":
        tokens[i] = rng.choice(WORDS)
    elif change == "swap":
        tokens[i], tokens[j] = tokens[j], tokens[i]
    elif change == "digit":
        tokens[i] = re.sub(r"[0-9]", lambda _: rng.choice("0123456789"), tokens[i])
    else:
        tokens = tokens[:i]
    return "".join(tokens)


def test_tokens_are_all_of_a_text() -> None:
    for text in (EVERYTHING, *SPECS):
        assert "".join(TOKEN.findall(text)) == text


def test_mutants_survive(mutants: int) -> None:
    rng, taken = random.Random(20170417), 0
    for number in range(mutants):
        text = mutant(rng)
        try:
            taken += assert_survives(text)
        except Exception as error:
            raise AssertionError(f"mutant {number}:\n{text}") from error
    assert mutants // 100 < taken < mutants * 3 // 4, "mutants are neither all fine nor all broken"


def test_what_is_mutated_uses_all_of_the_language() -> None:
    text = EVERYTHING.replace("expect: {params: 1, macs: 2}\n", "")
    assert assert_survives(text)
    assert not assert_survives(EVERYTHING)
    assert text.replace("{k: 3}", "{k: 4}") != text


def _crash(text: str) -> None:
    raise KeyError(text)


def _finding(**changes: Any) -> Callable[[str], None]:
    def refuse(text: str) -> None:
        source = Source("s", text)
        found = Diagnostic("tag", "message", Span(source, 0, 1))
        raise SpecError([found._replace(**{k: v(source) if callable(v) else v for k, v in changes.items()})])

    return refuse


def _say_nothing(text: str) -> None:
    raise SpecError([])


@pytest.mark.parametrize(
    "analyse",
    [
        _crash,
        _say_nothing,
        _finding(code="no-such-code"),
        _finding(message=""),
        _finding(message="two\nlines"),
        _finding(help="see archspec.analysis"),
        _finding(span=lambda source: Span(source, 0, len(source.text) + 1)),
        _finding(span=lambda source: Span(source, 2, 1)),
        _finding(span=lambda source: Span(source, -1, 1)),
    ],
)
def test_what_must_not_happen_is_noticed(analyse: Callable[[str], None]) -> None:
    assert not assert_survives("text", _finding())
    with pytest.raises((KeyError, AssertionError)):
        assert_survives("text", analyse)


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
