"""The source's graph as evidence: right against all mappings tried one by one, and what it says where it disagrees."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import table
from weights_networks import arrays_for, source_of

from archspec.slots import slots_of
from archspec.weights import Match, Slot, Source, WeightsError, match, render_report
from archspec.weights.structure import compare
from archspec.weights.upstream import IMAGE, Join, TangledError, Upstream, join, leaves

Reads = dict[str, Upstream]

NAMES = ("alder", "birch", "cedar", "elder", "hazel", "larch", "maple")
KERNELS = ((1, 1, 4, 4), (3, 3, 4, 4))


def renamed(reads: Upstream, names: Mapping[str, str]) -> Upstream:
    if isinstance(reads, str):
        return names.get(reads, reads)
    return reads._replace(parts=tuple(renamed(part, names) for part in reads.parts))


def slots_from(reads: Reads, kernels: Sequence[tuple[int, ...]]) -> list[Slot]:
    """Convolutions of one block and role, wired by hand."""
    slots: list[Slot] = []
    for (name, read), kernel in zip(reads.items(), kernels, strict=True):
        direct = {i for i, slot in enumerate(slots) if slot.layer in leaves(read)}
        above = frozenset(direct.union(*(slots[i].above for i in direct)))
        slots.append(Slot(name, name, "Conv", "conv", "conv", (("kernel", kernel),), above, read))
    return slots


# --- the oracle: every mapping that keeps shapes, tried


def plain(reads: Upstream, names: Mapping[str, str], form: str) -> Any:
    """What is read under other names, in a form that two sides can be compared in."""
    if isinstance(reads, str):
        return names.get(reads, reads)
    parts = [plain(part, names, form) for part in reads.parts]
    if form != "exact" and reads.kind in ("max", "avg"):
        return parts[0]
    if reads.kind == "add" or form == "unordered":
        parts.sort(key=repr)
    return (reads.kind, parts)


def mappings(ours: Reads, theirs: Reads, same: Callable[[str, str], bool], form: str) -> Iterator[dict[str, str]]:
    """Every renaming of `theirs` to `ours` that keeps shapes and what each one reads."""
    for order in itertools.permutations(ours):
        names = dict(zip(theirs, order, strict=True))
        if not all(same(theirs_name, ours_name) for theirs_name, ours_name in names.items()):
            continue
        if form == "which":
            alike = (
                {names.get(n, n) for n in leaves(read)} == leaves(ours[names[name]]) for name, read in theirs.items()
            )
        else:
            alike = (plain(read, names, form) == plain(ours[names[name]], {}, form) for name, read in theirs.items())
        if all(alike):
            yield names


def test_the_oracle_tells_orders_and_sums_apart() -> None:
    def found(ours: Upstream, theirs: Upstream, form: str = "exact") -> int:
        one, other = ({"a": IMAGE, "b": IMAGE, "c": read} for read in (ours, theirs))
        return len(list(mappings(one, other, lambda x, y: x == y, form)))

    assert found(join("concat", "ab"), join("concat", "ab")) == 1
    assert found(join("concat", "ab"), join("concat", "ba")) == 0
    assert found(join("concat", "ab"), join("concat", "ba"), "unordered") == 1
    assert found(join("add", "ab"), join("add", "ba")) == 1
    assert found(join("add", "ab"), join("concat", "ab"), "unordered") == 0
    assert found(join("add", "ab"), join("concat", "ab"), "which") == 1
    assert found(join("max", ["a"]), "a") == 0
    assert found(join("max", ["a"]), "a", "no pools") == 1


@st.composite
def upstreams(draw: st.DrawFn, names: Sequence[str]) -> Upstream:
    """An earlier layer or the image; or two or three of these joined, pooled perhaps."""
    name = st.sampled_from((IMAGE, *names))
    kind = draw(st.sampled_from(("one", "one", "add", "concat", "max")))
    if kind == "one":
        return draw(name)
    if kind == "max":
        return join("max", [draw(name)])
    nested = join("concat", [draw(name), draw(name)]) if draw(st.booleans()) else draw(name)
    return join(kind, [draw(name), nested])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Reads, list[tuple[int, ...]]]:
    reads: Reads = {}
    for i in range(draw(st.integers(2, 6))):
        reads[f"s{i}"] = draw(upstreams(tuple(reads)))
    return reads, [draw(st.sampled_from(KERNELS)) for _ in reads]


@st.composite
def foreign(draw: st.DrawFn, reads: Reads, kernels: Sequence[tuple[int, ...]]) -> tuple[Source, dict[str, str]]:
    """A file with the same graph, in another order, under names that say nothing; and layer -> scope."""
    scopes = dict(zip(reads, draw(st.permutations(NAMES)), strict=False))
    theirs = {scopes[name]: written_otherwise(renamed(read, scopes), draw) for name, read in reads.items()}
    tensors = {
        f"{scopes[name]}/kernel": np.zeros(kernel, np.float32) for name, kernel in zip(reads, kernels, strict=True)
    }
    order = draw(st.permutations(list(tensors)))
    return Source("test", {name: tensors[name] for name in order}, reads=theirs), scopes


def written_otherwise(reads: Upstream, draw: st.DrawFn) -> Upstream:
    """Sums in another order."""
    if isinstance(reads, str):
        return reads
    parts = [written_otherwise(part, draw) for part in reads.parts]
    return join(reads.kind, draw(st.permutations(parts)) if reads.kind == "add" else parts)


def expected(ours: Reads, kernels: Sequence[tuple[int, ...]], source: Source) -> tuple[str, dict[str, str]]:
    """What a match must come to: `made` with layer -> scope, `ambiguous`, or `order`."""
    shapes = dict(zip(ours, kernels, strict=True))
    theirs = dict(source.reads)

    def same(scope: str, layer: str) -> bool:
        return source.tensors[f"{scope}/kernel"].shape == shapes[layer]

    for form in ("exact", "no pools", "unordered", "which"):
        found = list(mappings(ours, theirs, same, form))
        if found and form == "unordered":
            return "order", {}
        if found:
            (only, *more) = found
            return ("ambiguous", {}) if more else ("made", {layer: scope for scope, layer in only.items()})
    forced = all(kernels.count(kernel) == 1 for kernel in kernels)
    return ("by shape", {}) if forced else ("ambiguous", {})


def assert_as_expected(reads: Reads, kernels: Sequence[tuple[int, ...]], source: Source) -> str:
    slots = slots_from(reads, kernels)
    verdict, pairs = expected(reads, list(kernels), source)
    if verdict in ("ambiguous", "order"):
        with pytest.raises(WeightsError, match=f"^{verdict}" if verdict == "ambiguous" else "in another order"):
            match(slots, source)
    else:
        found = match(slots, source).assignment
        if verdict == "made":
            assert found == {layer: {"kernel": f"{scope}/kernel"} for layer, scope in pairs.items()}
    return verdict


@settings(max_examples=300, deadline=None)
@given(graphs(), st.data())
def test_the_graph_settles_what_one_mapping_alone_keeps(graph: tuple[Reads, list[Any]], data: st.DataObject) -> None:
    source, scopes = data.draw(foreign(*graph))
    if assert_as_expected(*graph, source) == "made":
        found = match(slots_from(*graph), source).assignment
        assert found == {layer: {"kernel": f"{scopes[layer]}/kernel"} for layer in graph[0]}


@settings(max_examples=300, deadline=None)
@given(graphs(), st.data())
def test_a_graph_with_one_layer_wired_otherwise(graph: tuple[Reads, list[Any]], data: st.DataObject) -> None:
    reads, kernels = graph
    names = list(reads)
    changed = data.draw(st.integers(0, len(names) - 1))
    other = {**reads, names[changed]: data.draw(upstreams(names[:changed]))}
    source, _ = data.draw(foreign(other, kernels))
    assert_as_expected(reads, kernels, source)


def test_a_wrong_match_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: Reads = {"s0": IMAGE, "s1": "s0"}
    scopes = {"s0": "alder", "s1": "birch"}
    tensors = {f"{scope}/kernel": np.zeros(KERNELS[0], np.float32) for scope in scopes.values()}
    source = Source("test", tensors, reads={scopes[n]: renamed(r, scopes) for n, r in reads.items()})
    assert assert_as_expected(reads, KERNELS[:1] * 2, source) == "made"
    crossed = Source("test", tensors, reads={"birch": IMAGE, "alder": "birch"})
    wrong = match(slots_from(reads, KERNELS[:1] * 2), crossed)
    monkeypatch.setitem(globals(), "match", lambda slots, _: wrong)
    with pytest.raises(AssertionError):
        assert_as_expected(reads, KERNELS[:1] * 2, source)


# --- particular graphs


def two_branches() -> Reads:
    """A stem, and two branches of two layers that are summed."""
    branches: Reads = {"stem": IMAGE, "a1": "stem", "a2": "a1", "b1": "stem", "b2": "b1"}
    return {**branches, "head": join("add", ["a2", "b2"])}


def sourced(ours: Reads, scopes: Mapping[str, str], **facts: Any) -> tuple[list[Slot], Source]:
    slots = slots_from(ours, [KERNELS[0]] * len(ours))
    reads = facts.pop("reads", {scopes[name]: renamed(read, scopes) for name, read in ours.items()})
    return slots, source_of(arrays_for(slots), scopes, reads=reads, **facts)


def scopes_of(found: Match) -> dict[str, str]:
    return {layer: tensors["kernel"].removesuffix("/kernel") for layer, tensors in found.assignment.items()}


WORDS = dict(zip(two_branches(), NAMES, strict=False))


def test_branches_that_are_the_same_are_refused_until_one_is_told() -> None:
    slots, source = sourced(two_branches(), WORDS)
    with pytest.raises(WeightsError) as error:
        match(slots, source)
    assert sorted(re.findall(r"row `(\w+)`", str(error.value))) == ["a1", "a2", "b1", "b2"], "and no others"
    for told, layer in (("birch", "a1"), ("elder", "a1"), ("hazel", "a2")):
        pairs = scopes_of(match(slots, source, [(told, layer)]))
        assert pairs[layer] == told
        straight = pairs["a1"] == WORDS["a1"]
        swap = {"a1": "b1", "a2": "b2", "b1": "a1", "b2": "a2"}
        assert pairs == {name: WORDS[name if straight else swap.get(name, name)] for name in WORDS}
    with pytest.raises(WeightsError, match="ambiguous"):
        match(slots, source, [("larch", "a1")])  # the head of the file: then its graph is another


def test_numbers_against_the_graph_are_a_contradiction() -> None:
    chain: Reads = {"one": IMAGE, "two": "one", "three": "two"}
    scopes = {"one": "conv_1", "two": "conv_2", "three": "conv_3"}
    slots, source = sourced(chain, scopes)
    assert scopes_of(match(slots, source)) == scopes
    crossed = replace(source, reads={"conv_2": IMAGE, "conv_1": "conv_2", "conv_3": "conv_1"})
    with pytest.raises(WeightsError) as error:
        match(slots, crossed)
    assert str(error.value) == (
        "contradiction: `conv_1/kernel` 1×1×4×4 is row `one` (layer `one`) by its number, but in the source's graph"
        " another tensor stands there; if it is right, say so with --map 'conv_1=one'"
    )
    assert scopes_of(match(slots, crossed, [("conv_1", "one")])) == scopes, "a person's word stands above the graph"
    told = scopes_of(match(slots, crossed, [("conv_1", "two")]))
    assert told == {"one": "conv_2", "two": "conv_1", "three": "conv_3"}


def test_the_first_pair_that_cannot_be_is_named() -> None:
    """Each pair alone could be, as the branches are the same; one branch cannot be half of the other."""
    reads = two_branches()
    structure = compare(reads, reads, ([()] * 6, [()] * 6))
    assert structure is not None
    stem, a1, a2, b1, b2, head = range(6)
    straight = {i: i for i in range(6)}
    crossed = {stem: stem, a1: b1, a2: b2, b1: a1, b2: a2, head: head}
    for pairs in (straight, crossed, {a1: b1}, {a2: b2}, {}):
        assert structure.impossible(pairs) is None
    assert structure.impossible({a1: a1, a2: b2}) == a2
    assert structure.impossible({**crossed, b2: b2}) == b2
    assert structure.impossible({stem: a1}) == stem
    assert structure.impossible({a1: a1, b1: a2}) == b1


def test_another_order_of_channels_is_refused() -> None:
    """The shapes fit, and the names too, but the weights of the third layer are for other channels."""
    reads: Reads = {"a": IMAGE, "b": IMAGE, "c": join("concat", ["a", "b"])}
    kernels = [(1, 1, 3, 4), (3, 3, 3, 4), (1, 1, 8, 2)]
    slots = slots_from(reads, kernels)
    same = {name: name + "_" for name in reads}
    source = source_of(arrays_for(slots), same, reads={same[n]: renamed(r, same) for n, r in reads.items()})
    assert scopes_of(match(slots, source)) == same
    assert "note" not in render_report(match(slots, source))
    with pytest.raises(WeightsError) as error:
        match(slots, replace(source, reads={**source.reads, "c_": join("concat", ["b_", "a_"])}))
    assert str(error.value) == (
        "row `c` (layer `c`) reads a concatenation whose parts stand in another order in the source:"
        " its weights are for other channels"
    )


def test_a_graph_that_differs_is_told() -> None:
    """Shapes settle all of it; whether the networks are the same is another question."""
    reads: Reads = {"a": IMAGE, "b": "a", "c": join("add", ["a", "b"])}
    slots = slots_from(reads, [(1, 1, 3, 4), (3, 3, 4, 4), (5, 5, 4, 4)])
    scopes = {name: f"{name}_" for name in reads}
    source = source_of(arrays_for(slots), scopes, reads={"a_": IMAGE, "b_": "a_", "c_": "b_"})
    assert scopes_of(match(slots, source)) == scopes
    said = "note: the source's graph is another: the first to read other layers is row `c` (layer `c`)"
    assert said in render_report(match(slots, source)).splitlines()
    assert "note" not in render_report(match(slots, replace(source, reads={})))


def test_layers_left_out_are_passed_through() -> None:
    """A layer mapped to nothing reads on behalf of those that read it, and a branch of such layers is none."""
    reads: Reads = {"a": IMAGE, "b": "a", "c": join("concat", ["b", "a"])}
    scopes = {"a": "alder", "b": "birch", "c": "cedar"}
    slots, source = sourced(reads, scopes)
    tensors = {
        **source.tensors,
        "scale/kernel": np.zeros((7, 7), np.float32),
        "aux/kernel": np.zeros((7, 7), np.float32),
    }
    theirs = {
        "alder": "scale",
        "scale": IMAGE,
        "birch": "alder",
        "cedar": join("concat", ["birch", "alder"]),
        "aux": "birch",
    }
    found = match(slots, replace(source, tensors=tensors, reads=theirs), [("scale", ""), ("aux", "")])
    assert scopes_of(found) == scopes
    assert {entry.how for entry in found.entries} == {"graph"}


def test_what_is_joined_has_one_form() -> None:
    nested = join("add", ["a", join("add", ["b", "c"])])
    assert nested == join("add", [join("add", ["a", "b"]), "c"])
    assert join("multiply", ["x", "x"]) == "x", "x * sigmoid(x)"
    assert join("concat", ["x"]) == "x"
    assert join("concat", ["x", "x"]) != "x"
    assert isinstance(join("max", ["x"]), Join)
    assert leaves(join("concat", [nested, IMAGE])) == {"a", "b", "c", IMAGE}


def test_what_would_grow_without_bound_is_not_followed() -> None:
    def doubled(times: int) -> Upstream:
        return "x" if times == 0 else join("concat", [doubled(times - 1)] * 2)

    def pooled(times: int) -> Upstream:
        return "x" if times == 0 else join("avg" if times % 2 else "max", [pooled(times - 1)])

    assert leaves(doubled(9)) == leaves(pooled(30)) == {"x"}
    for endless in (doubled, pooled):
        with pytest.raises(TangledError):
            endless(60 if endless is pooled else 20)


def test_what_the_layers_of_a_spec_read() -> None:
    rows = """Conv: {depth: 4, name: c1}
        MaxPool: {kernel: 2, name: half}
        Conv: {depth: 4, norm: false, name: left}
        Conv: {from: half, depth: 4, norm: false, name: right}
        Concat: {from: [right, left, half]}
        SqueezeExcite: {name: gate}
        Conv: {depth: 2, name: last}"""
    reads = {slot.layer: slot.reads for slot in slots_of(table(rows).graph)}
    half = join("max", ["c1_conv_bn"])
    parts = join("concat", ["right_conv", "left_conv", half])
    assert reads["c1_conv"] == IMAGE
    assert reads["c1_conv_bn"] == "c1_conv"
    assert reads["left_conv"] == reads["right_conv"] == half
    assert reads["gate_reduce"] == join("avg", [parts])
    assert reads["last_conv"] == join("multiply", [parts, "gate_expand"])


def test_a_graph_too_tangled_is_not_told() -> None:
    rows = ["Conv: {depth: 1, name: r0}", *(f"Concat: {{from: [r{i}, r{i}], name: r{i + 1}}}" for i in range(12))]
    slots = slots_of(table("\n".join([*rows, "Conv: {depth: 1}"])).graph)
    assert [slot.reads for slot in slots] == [None] * 4
