"""The two graphs of a match laid over each other: which unit stands where which slot does.

Colour refinement (Weisfeiler and Leman 1968): units and slots start with the colour of their weights, and part where
what they read, or what reads them, differs in colour. Where the graphs are the same, what is alike ends with one
colour on both sides; a colour of one unit and one slot is proof.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, TypeAlias

from archspec.weights.upstream import (
    COMMUTING,
    IMAGE,
    TangledError,
    Upstream,
    leaves,
    merged,
    unordered,
    without_pools,
)

Reads: TypeAlias = Mapping[str, Upstream]  # by name, in the order of numbers; names read one another, or the image
Colours: TypeAlias = tuple[Sequence[int], Sequence[int]]  # of units, of slots
Path: TypeAlias = tuple[tuple[str, int], ...]  # down into a join: kind, and place where places count
Ids: TypeAlias = Callable[[Hashable], int]

FORMS = (lambda reads: reads, without_pools, unordered, merged)  # from all that is told to the least


class Side(NamedTuple):
    """One graph: numbers by name, what each reads, who reads it and how, and an order in which the read come first."""

    numbers: Mapping[str, int]
    reads: Sequence[Upstream]
    readers: Sequence[Sequence[tuple[int, Path]]]
    order: Sequence[int]


@dataclass(frozen=True)
class Structure:
    """Two graphs that are the same as far as colours tell; `start` are the colours of their members' weights.

    `ordered` says that they agree on the order of concatenations too, if they agree on merges at all.
    """

    units: Side
    slots: Side
    start: Colours
    ordered: bool

    def colours(self, pairs: Mapping[int, int]) -> Colours | None:
        """Stable colours where each unit of `pairs` is its slot; None where these pairs cannot all be."""
        units, slots = map(list, self.start)
        first = 1 + max((*units, *slots), default=0)
        for unit, slot in pairs.items():
            units[unit] = slots[slot] = first + slot
        return refine(self.units, self.slots, (units, slots))

    def impossible(self, pairs: Mapping[int, int]) -> int | None:
        """The first unit of `pairs` that cannot be its slot if those before it are theirs; None if all can be."""
        if self.colours(pairs) is not None:
            return None
        units = list(pairs)
        good, bad = 0, len(units)  # so many can be, so many cannot
        while bad - good > 1:
            middle = (good + bad) // 2
            if self.colours({u: pairs[u] for u in units[:middle]}) is None:
                bad = middle
            else:
                good = middle
        return units[good]


def compare(units: Reads, slots: Reads, weights: tuple[Sequence[Hashable], Sequence[Hashable]]) -> Structure | None:
    """The structure of two graphs in the first of FORMS in which they agree; None where they do not.

    `weights` are the units' and the slots', equal where one can be the other.
    """
    numbers: dict[Hashable, int] = {}
    start = [[numbers.setdefault(w, len(numbers)) for w in side] for side in weights]
    for form in FORMS:
        try:
            sides = _side(units, form), _side(slots, form)
        except (TangledError, CycleError):
            continue
        if refine(*sides, (start[0], start[1])) is not None:
            return Structure(*sides, (start[0], start[1]), form is not unordered)
    return None


def reordered(structure: Structure, units: Reads, slots: Reads) -> int:
    """The first slot that reads a concatenation in another order than every unit of its colour does."""
    found = structure.colours({})
    assert found is not None, "the graphs agree but for the order"
    ids: dict[Hashable, int] = {}
    theirs = {
        (colour, _key(structure.units, without_pools(reads), found[0], lambda key: ids.setdefault(key, len(ids))))
        for colour, reads in zip(found[0], units.values(), strict=True)
    }
    for slot, (colour, reads) in enumerate(zip(found[1], slots.values(), strict=True)):
        key = _key(structure.slots, without_pools(reads), found[1], lambda key: ids.setdefault(key, len(ids)))
        if (colour, key) not in theirs:
            return slot
    return next(slot for slot, reads in enumerate(slots.values()) if not isinstance(reads, str))


def differing(units: Reads, slots: Reads, pairs: Mapping[int, int]) -> int | None:
    """The first slot that reads other layers than its unit does."""
    names = dict(zip(units, (list(slots)[pairs[u]] for u in range(len(units))), strict=True)) | {IMAGE: IMAGE}
    theirs = {names[name]: {names[leaf] for leaf in leaves(reads)} for name, reads in units.items()}
    return next((i for i, (name, reads) in enumerate(slots.items()) if theirs[name] != leaves(reads)), None)


def refine(units: Side, slots: Side, start: Colours) -> Colours | None:
    """Stable colours of both sides; None as soon as a colour has more members on one side than on the other."""
    colours, count = start, 0
    while True:
        for sweep in (_down, _up):
            ids: dict[Hashable, int] = {}

            def number(key: Hashable, ids: dict[Hashable, int] = ids) -> int:
                return ids.setdefault(key, len(ids))

            colours = sweep(units, colours[0], number), sweep(slots, colours[1], number)
            if Counter(colours[0]) != Counter(colours[1]):
                return None
        if len(set(colours[0])) == count:
            return colours
        count = len(set(colours[0]))


def _up(side: Side, colours: Sequence[int], ids: Ids) -> list[int]:
    """Colours that tell apart what reads differently."""
    new = [0] * len(colours)
    for i in side.order:
        new[i] = ids((colours[i], _key(side, side.reads[i], new, ids)))
    return new


def _down(side: Side, colours: Sequence[int], ids: Ids) -> list[int]:
    """Colours that tell apart what is read differently."""
    new = [0] * len(colours)
    for i in reversed(side.order):
        new[i] = ids((colours[i], tuple(sorted((ids(path), new[reader]) for reader, path in side.readers[i]))))
    return new


def _key(side: Side, reads: Upstream, colours: Sequence[int], ids: Ids) -> int:
    """One number for what is read, of colours in the place of names."""
    if isinstance(reads, str):
        return ids(("read", colours[side.numbers[reads]] if reads != IMAGE else None))
    keys = [_key(side, part, colours, ids) for part in reads.parts]
    return ids((reads.kind, *(sorted(keys) if reads.kind in COMMUTING else keys)))


def _side(graph: Reads, form: Callable[[Upstream], Upstream]) -> Side:
    """Raises TangledError, CycleError."""
    reads = [form(each) for each in graph.values()]
    numbers = {name: i for i, name in enumerate(graph)}
    readers: list[list[tuple[int, Path]]] = [[] for _ in reads]
    for i, each in enumerate(reads):
        for name, path in _paths(each):
            if name != IMAGE:
                readers[numbers[name]].append((i, path))
    waits = {i: {numbers[name] for name in leaves(each) if name != IMAGE} for i, each in enumerate(reads)}
    return Side(numbers, reads, readers, tuple(TopologicalSorter(waits).static_order()))


def _paths(reads: Upstream) -> Iterator[tuple[str, Path]]:
    """Each name in it, with the way down to it."""
    if isinstance(reads, str):
        yield reads, ()
        return
    for place, part in enumerate(reads.parts):
        step = (reads.kind, 0 if reads.kind in COMMUTING else place)
        yield from ((name, (step, *path)) for name, path in _paths(part))
