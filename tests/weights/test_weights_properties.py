"""Random networks under many naming schemes: a match is right in every tensor, or it is refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from weights_networks import Table, arrays_for, inverted_residual, source_of

from archspec.weights import Match, Slot, WeightsError, match

DEPTHS = st.sampled_from((4, 4, 6))  # few, so that shapes collide
WORDS = ("alder", "birch", "cedar", "elder", "hazel", "larch", "maple", "rowan", "spruce", "willow")


@dataclass(frozen=True)
class Network:
    """Slots, and whether each of them is upstream of the next."""

    slots: list[Slot]
    chain: bool


@st.composite
def networks(draw: st.DrawFn, parallel: bool = False) -> Network:
    """Up to six rows: convolutions, inverted residuals and, if asked for, pairs of parallel convolutions."""
    table, last, depth, chain = Table(), list[str](), 3, True
    kinds = ("conv", "head", "ir") + (("pair",) * 2 if parallel else ())
    for i in range(1, draw(st.integers(1, 6)) + 1):
        kind, out = draw(st.sampled_from(kinds)), draw(DEPTHS)
        if kind == "ir":
            last = inverted_residual(table, f"r{i}", f"r{i}", last, depth, out, 2, 1)
            chain = chain and depth == out
        elif kind == "pair":
            last = [_conv(table, f"r{i}{side}", "Branch", last, depth, out, draw) for side in "ab"]
            chain = False
            out *= draw(st.sampled_from((1, 2)))  # added or concatenated
        else:
            last = [_conv(table, f"r{i}", kind.title(), last, depth, out, draw)]
        depth = out
    return Network(table.slots, chain)


def _conv(table: Table, row: str, block: str, reads: list[str], depth: int, out: int, draw: st.DrawFn) -> str:
    bias = {"bias": (out,)} if draw(st.booleans()) else {}
    last = table.add(f"{row}_conv", row, block, "conv", "conv", reads, kernel=(1, 1, depth, out), **bias)
    return table.norm(f"{row}_bn", row, block, "bn", [last], out) if draw(st.booleans()) else last


def place(slot: Slot) -> tuple[int, str, str]:
    """What a row's name says (`r3a`): its number and branch; and the word of the role, norms' as their layer's."""
    match = re.fullmatch(r"r(\d+)([ab]?)", slot.row)
    assert match is not None, slot.row
    return int(match[1]), match[2], re.sub(r"_?bn$", "", slot.role) or "conv"


def by_block(slot: Slot) -> str:
    """TF1 layers inside named scopes; parallel branches told apart by words."""
    number, branch, role = place(slot)
    layer = {"norm": "batch_normalization", "depthwise": "depthwise_conv2d"}.get(slot.kind, "conv2d")
    side = {"a": "left/", "b": "right/", "": ""}[branch]
    return f"net/{slot.block.lower()}_{number}/{side}{role}_op/{layer}"


def by_row(slot: Slot) -> str:
    """As Slim: one numbered scope a row, whatever the block."""
    number, branch, role = place(slot)
    scope = f"Net/Layer_{number}{branch}/{role}"
    return f"{scope}/BatchNorm" if slot.kind == "norm" else scope


def flat(slot: Slot) -> str:
    """As keras.applications: `block_3_expand`, `block_3_expand_BN`."""
    number, branch, role = place(slot)
    return f"block_{number}{branch}_{role}" + ("_BN" if slot.kind == "norm" else "")


SCHEMES = {"by block": by_block, "by row": by_row, "flat": flat}


def automatic(slots: list[Slot]) -> dict[str, str]:
    """As Keras names layers without a name, in the order of the graph."""
    names: dict[str, str] = {}
    stems = {"norm": "batch_normalization", "depthwise": "depthwise_conv2d", "conv": "conv2d"}
    for slot in slots:
        count = sum(name.startswith(stems[slot.kind]) for name in names.values())
        names[slot.layer] = stems[slot.kind] + (f"_{count}" if count else "")
    return names


def outcome(
    slots: list[Slot], scopes: dict[str, str], draw_order: int, trusted: bool, check: Callable[[Match], None]
) -> bool:
    """Whether the match was made; `check` looks at one that was."""
    arrays = arrays_for(slots)
    order = {scopes[slot.layer]: ("layers", i) for i, slot in enumerate(slots)} if trusted else {}
    source = source_of(arrays, scopes, order=order)
    names = np.random.default_rng(draw_order).permutation(list(source.tensors))
    shuffled = type(source)("test", {str(n): source.tensors[str(n)] for n in names}, order=order)
    try:
        found = match(slots, shuffled)
    except WeightsError as error:
        if "ambiguous" in str(error):
            return False
        raise
    check(found)
    return True


def right(slots: list[Slot]) -> Callable[[Match], None]:
    expected = arrays_for(slots)

    def check(found: Match) -> None:
        got = found.arrays()
        for layer, weights in expected.items():
            for a, b in zip(got[layer], weights.values(), strict=True):
                np.testing.assert_array_equal(a, b, err_msg=layer)

    return check


def test_the_check_sees_a_wrong_tensor() -> None:
    table = Table()
    table.add("a_conv", "a", "Conv", "conv", "conv", [], kernel=(1, 1, 3, 4))
    other = arrays_for(table.slots, seed=1)
    found = match(table.slots, source_of(other, {"a_conv": "x"}))
    with pytest.raises(AssertionError, match="a_conv"):
        right(table.slots)(found)


@settings(max_examples=300, deadline=None)
@given(networks(), st.sampled_from(sorted(SCHEMES)), st.integers(0, 99), st.booleans())
def test_numbered_names_are_right_or_refused(net: Network, scheme: str, order: int, trusted: bool) -> None:
    scopes = {slot.layer: SCHEMES[scheme](slot) for slot in net.slots}
    made = outcome(net.slots, scopes, order, trusted, right(net.slots))
    assert made or not (net.chain and trusted)


@settings(max_examples=300, deadline=None)
@given(networks(parallel=True), st.sampled_from(sorted(SCHEMES)), st.integers(0, 99), st.booleans())
def test_parallel_layers_are_right_or_refused(net: Network, scheme: str, order: int, trusted: bool) -> None:
    scopes = {slot.layer: SCHEMES[scheme](slot) for slot in net.slots}
    outcome(net.slots, scopes, order, trusted, right(net.slots))


@settings(max_examples=300, deadline=None)
@given(networks(), st.integers(0, 99), st.booleans())
def test_automatic_names_are_right_or_refused(net: Network, order: int, trusted: bool) -> None:
    made = outcome(net.slots, automatic(net.slots), order, trusted, right(net.slots))
    assert made or not net.chain


@settings(max_examples=300, deadline=None)
@given(networks(parallel=True), st.permutations(range(40)), st.integers(0, 99))
def test_words_without_meaning_are_right_or_refused(net: Network, words: list[int], order: int) -> None:
    """A convolution and its norm share a word; no two layers else do."""
    assume(len(net.slots) <= 40)
    names: dict[str, str] = {}
    for slot, word in zip(net.slots, words, strict=False):
        conv = names.get(slot.layer.removesuffix("_bn") if slot.role != "bn" else f"{slot.row}_conv")
        fresh = WORDS[word // 10] + WORDS[word % 10]
        names[slot.layer] = f"{conv}_bn" if slot.kind == "norm" and conv else fresh
    outcome(net.slots, names, order, False, right(net.slots))


@settings(max_examples=300, deadline=None)
@given(networks(parallel=True), st.permutations(range(1, 41)), st.integers(0, 99))
def test_numbers_that_mean_nothing_between_branches(net: Network, numbers: list[int], order: int) -> None:
    """Rows in order, but the two branches of a pair numbered either way."""
    swap = {f"r{i}{side}": "12"[(numbers[i] + (side == "b")) % 2] for i in range(1, 7) for side in "ab"}
    scopes = {}
    for slot in net.slots:
        number, _, role = place(slot)
        branch = f"branch_{swap[slot.row]}/" if slot.row in swap else ""
        scope = f"net/block_{number}/{branch}{role}"
        scopes[slot.layer] = f"{scope}/bn" if slot.kind == "norm" else scope
    outcome(net.slots, scopes, order, False, right(net.slots))


@settings(max_examples=300, deadline=None)
@given(networks(), st.lists(st.booleans(), min_size=6, max_size=6), st.integers(0, 99), st.booleans())
def test_a_name_of_its_own_for_some_rows(net: Network, own: list[bool], order: int, trusted: bool) -> None:
    """`block_2/conv` for some rows, `cedar/conv` for others, without regard to the spec's blocks."""
    scopes = {}
    for slot in net.slots:
        number, _, role = place(slot)
        row = WORDS[number] if own[number - 1] else f"block_{number}"
        scopes[slot.layer] = f"net/{row}/{role}" + ("/bn" if slot.kind == "norm" else "")
    outcome(net.slots, scopes, order, trusted, right(net.slots))
