"""Which unit fills which slot where shapes leave a choice: names and order as evidence, step by step.

A state maps a unit to the slots it may still fill. Every step narrows it under one hypothesis and is dropped
if no complete assignment is left. What stays open at the end is a doubt, and is handed back as one.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from archspec.weights.names import common_words, prefixes, skeleton, under, words
from archspec.weights.slots import Slot, totally_ordered
from archspec.weights.units import Unit

State = Mapping[int, frozenset[int]]


@dataclass(frozen=True)
class Role:
    """A role that a family of units can have: each unit's slots then, and whether that may be concluded.

    It takes a unit whose shape alone settles the role, and tells roles of one block apart: which block a spec
    uses for a row is its author's choice, and no foreign name knows it.
    """

    keep: Mapping[int, frozenset[int]]
    proven: bool


@dataclass(frozen=True)
class Solution:
    """`pairs`: unit -> slot (indices). `how`: unit -> what settled it. `open`: groups left in doubt."""

    pairs: dict[int, int]
    how: dict[int, str]
    open: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


def solve(
    state: State, units: Sequence[Unit], slots: Sequence[Slot], by_graph: Callable[[State], State] = lambda state: state
) -> Solution:
    """Narrow `state` as far as the evidence goes; what it does not settle is left open, never guessed.

    `by_graph` holds units to the slots that stand where they do in the source's graph.
    """
    how: dict[int, str] = {}
    state = _eliminate(state)
    _note(how, state, "shape")

    def graph(state: State, units: Sequence[Unit], slots: Sequence[Slot]) -> State:
        return _narrow(state, by_graph(state))

    steps = (
        ("file order", _by_file), ("name", _by_role), ("scope", _by_scope), ("number", _by_number), ("graph", graph)
    )  # fmt: skip
    while True:
        for reason, step in steps:
            narrowed = step(state, units, slots)
            if narrowed != state:
                state = narrowed
                _note(how, state, reason)
                break
        else:
            break
    pairs = {u: min(cands) for u, cands in state.items() if len(cands) == 1}
    doubts: dict[frozenset[int], list[int]] = defaultdict(list)
    for u, cands in state.items():
        if len(cands) != 1:
            doubts[cands].append(u)
    return Solution(pairs, how, tuple((tuple(us), tuple(sorted(cands))) for cands, us in doubts.items()))


def matchable(state: State) -> bool:
    """Whether every unit can have a slot of its own (Kuhn's augmenting paths)."""
    owner: dict[int, int] = {}

    def place(unit: int, tried: set[int]) -> bool:
        for slot in state[unit] - tried:
            tried.add(slot)
            if slot not in owner or place(owner[slot], tried):
                owner[slot] = unit
                return True
        return False

    return all(place(unit, set()) for unit in state)


def _note(how: dict[int, str], state: State, reason: str) -> None:
    for unit, cands in state.items():
        if len(cands) == 1:
            how.setdefault(unit, reason)


def _eliminate(state: State) -> State:
    """Units that share as many slots as they are keep them from others; so does a slot's only unit."""
    while True:
        new = dict(state)
        sharing: dict[int, list[int]] = defaultdict(list)
        for unit, cands in state.items():
            for slot in cands:
                sharing[slot].append(unit)
        for cands, count in Counter(state.values()).items():
            if count == len(cands):
                for unit in {unit for slot in cands for unit in sharing[slot] if new[unit] != cands}:
                    new[unit] -= cands
        users: dict[int, list[int]] = defaultdict(list)
        for unit, cands in new.items():
            for slot in cands:
                users[slot].append(unit)
        new |= {us[0]: frozenset((slot,)) for slot, us in users.items() if len(us) == 1}
        if new == state:
            return state
        state = new


def _narrow(state: State, keep: Mapping[int, frozenset[int]]) -> State:
    """The state with some units held to `keep`, or as it was where that leaves no complete assignment."""
    new = {u: c & keep.get(u, c) for u, c in state.items()}
    return _eliminate(new) if all(new.values()) and matchable(new) else state


def _role(slot: Slot) -> tuple[str, str]:
    return (slot.block, slot.role)


def _roles(state: State, family: Sequence[int], slots: Sequence[Slot]) -> list[Role]:
    """The roles that all units of a family can have together."""
    found = []
    for role in sorted({_role(slots[s]) for u in family for s in state[u]}):
        keep = {u: frozenset(s for s in state[u] if _role(slots[s]) == role) for u in family}
        if all(keep.values()) and matchable(keep):
            sure = any(keep[u] == state[u] for u in family)
            found.append(Role(keep, sure and all(slots[s].block == role[0] for u in family for s in state[u])))
    return found


def _families(state: State, units: Sequence[Unit]) -> dict[str, list[int]]:
    """Units that share a skeleton with a telling word; automatic names (`conv2d_7`) tell nothing."""
    common = common_words(units[u].scope for u in state)
    families: dict[str, list[int]] = defaultdict(list)
    for u in state:
        if words(units[u].scope) - common:
            families[skeleton(units[u].scope)[0]].append(u)
    return families


def _by_role(state: State, units: Sequence[Unit], slots: Sequence[Slot]) -> State:
    """One skeleton, one role: where the shapes of all its units allow exactly one, it is that one.

    Where they allow none, numbers carry the role (`conv#_block#_1_conv`, `..._3_conv`): then the same is
    asked of the units that share a number at one place, provided that each such part can have a single role.
    """
    for family in _families(state, units).values():
        roles = _roles(state, family, slots)
        parts = [roles] if roles else list(_numbered(state, family, units, slots))
        for part in parts:
            if len(part) == 1 and part[0].proven:
                narrowed = _narrow(state, part[0].keep)
                if narrowed != state:
                    return narrowed
    return state


def _numbered(state: State, family: list[int], units: Sequence[Unit], slots: Sequence[Slot]) -> Iterator[list[Role]]:
    numbers = {u: skeleton(units[u].scope)[1] for u in family}
    for place in range(len(numbers[family[0]])):
        parts: dict[int, list[int]] = defaultdict(list)
        for u in family:
            parts[numbers[u][place]].append(u)
        roles = [_roles(state, part, slots) for part in parts.values()]
        if all(roles):
            yield from roles


def _by_scope(state: State, units: Sequence[Unit], slots: Sequence[Slot]) -> State:
    """A scope with exactly the shapes of one application of a block, one of them settled there, is it."""
    inside: dict[str, list[int]] = defaultdict(list)
    for index in sorted(frozenset().union(*state.values())):
        inside[slots[index].instance].append(index)
    instance_of = {s: name for name, members in inside.items() for s in members}
    for prefix in dict.fromkeys(p for u in state for p in prefixes(units[u].scope)):
        members = [u for u in state if under(units[u].scope, prefix)]
        settled = {instance_of[min(state[u])] for u in members if len(state[u]) == 1}
        if len(settled) != 1 or all(len(state[u]) == 1 for u in members):
            continue
        wanted = inside[settled.pop()]
        if Counter(slots[s].signature for s in wanted) != Counter(slots[min(state[u])].signature for u in members):
            continue
        narrowed = _narrow(state, {u: frozenset(wanted) for u in members})
        if narrowed != state:
            return narrowed
    return state


def _chains(state: State, slots: Sequence[Slot]) -> list[tuple[list[int], list[int]]]:
    """Groups of as many units as slots, the slots being layers of one chain; parallel layers make none."""
    groups: dict[frozenset[int], list[int]] = defaultdict(list)
    for u, cands in state.items():
        if len(cands) > 1:
            groups[cands].append(u)
    found = [(us, sorted(cands)) for cands, us in groups.items() if len(us) == len(cands)]
    return [(us, cands) for us, cands in found if totally_ordered(slots, cands)]


def _by_file(state: State, units: Sequence[Unit], slots: Sequence[Slot]) -> State:
    """Layers of a chain in the order of a file that keeps the model's."""
    keep: dict[int, frozenset[int]] = {}
    for us, cands in _chains(state, slots):
        places = {order: u for u in us if (order := units[u].order) is not None}
        if len(places) == len(us) and len({stream for stream, _ in places}) == 1:
            keep |= {places[place]: frozenset((s,)) for place, s in zip(sorted(places), cands, strict=True)}
    return _narrow(state, keep) if keep else state


def _by_number(state: State, units: Sequence[Unit], slots: Sequence[Slot]) -> State:
    """Layers of a chain whose names differ by their numbers alone, in the order of the numbers."""
    numbered = [
        (sorted(us, key=lambda u: skeleton(units[u].scope)[1]), cands)
        for us, cands in _chains(state, slots)
        if len({skeleton(units[u].scope)[0] for u in us}) == 1
    ]
    keep = _ascending(state, numbered, units, slots)
    return _narrow(state, keep) if keep else state


def _ascending(
    state: State, chains: list[tuple[list[int], list[int]]], units: Sequence[Unit], slots: Sequence[Slot]
) -> dict[int, frozenset[int]]:
    """Chains zipped by number, but for families whose numbers run against the flow anywhere."""
    pairs = {u: min(cands) for u, cands in state.items() if len(cands) == 1}
    pairs |= {u: s for us, cands in chains for u, s in zip(us, cands, strict=True)}
    keys = {u: skeleton(units[u].scope) for u in pairs}
    against: dict[str, set[int]] = defaultdict(set)
    for u, s in pairs.items():
        for v, t in pairs.items():
            if keys[u][0] == keys[v][0] and s in slots[t].above and keys[u][1] >= keys[v][1]:
                against[keys[u][0]].add(_first_difference(keys[u][1], keys[v][1]))
    keep: dict[int, frozenset[int]] = {}
    for us, cands in chains:
        places = {_first_difference(keys[u][1], keys[v][1]) for u, v in itertools.pairwise(us)}
        if not places & against[keys[us[0]][0]]:
            keep |= {u: frozenset((s,)) for u, s in zip(us, cands, strict=True)}
    return keep


def _first_difference(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """The first place where two lists of numbers differ; their length where they do not."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y), len(a))
