"""The source's graph as evidence, where the file has one: which slots a unit can be, and what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archspec.weights.slots import Signature, Slot
from archspec.weights.structure import Reads, Structure, compare, differing, reordered
from archspec.weights.units import Source, Unit, reads_of
from archspec.weights.upstream import TangledError

Narrowed = Mapping[int, frozenset[int]]


@dataclass(frozen=True)
class Graphs:
    """Both graphs, and how they agree; `structure` is None where they do not, or where one of them is not known.

    `numbers` gives a unit's number in its graph. Units that are no part of the match are none of the graph.
    """

    units: Reads
    slots: Reads
    numbers: Mapping[int, int]
    structure: Structure | None

    def narrow(self, state: Narrowed, known: Mapping[int, int]) -> Narrowed:
        """Each unit of `state` held to slots that stand where it does, given those that are `known` or settled."""
        settled = {u: min(cands) for u, cands in state.items() if len(cands) == 1}
        colours = self.structure and self.structure.colours(self._numbered({**known, **settled}))
        if not colours:
            return state
        units, slots = colours
        return {u: frozenset(s for s in c if slots[s] == units[self.numbers[u]]) for u, c in state.items()}

    def impossible(self, pairs: Mapping[int, int]) -> int | None:
        """The first unit of `pairs`, by slot, that stands elsewhere in its graph; None where there is none."""
        ordered = dict(sorted(pairs.items(), key=lambda pair: pair[1]))
        found = self.structure and self.structure.impossible(self._numbered(ordered))
        return None if found is None else next(u for u, number in self.numbers.items() if number == found)

    def reordered(self) -> int | None:
        """The slot that concatenates in another order than the source does; None where there is none."""
        if self.structure is None or self.structure.ordered:
            return None
        return reordered(self.structure, self.units, self.slots)

    def differing(self, pairs: Mapping[int, int]) -> int | None:
        """The first slot that reads other layers than its unit; None where there is none, or where it is not known."""
        if not self.numbers or self.structure is not None:
            return None
        return differing(self.units, self.slots, self._numbered(pairs))

    def _numbered(self, pairs: Mapping[int, int]) -> dict[int, int]:
        return {self.numbers[u]: s for u, s in pairs.items()}


UNKNOWN = Graphs({}, {}, {}, None)


def graphs(
    source: Source,
    units: Sequence[Unit],
    slots: Sequence[Slot],
    signatures: Mapping[int, Signature],
    mapped: Mapping[int, int],
) -> Graphs:
    """Lay the graph of the units that have `signatures` over that of the slots; `mapped` units are their slots."""
    live = sorted(signatures)
    ours = {slot.layer: slot.reads for slot in slots if slot.reads is not None}
    try:
        theirs = reads_of(source, units, live)
    except (TangledError, KeyError, RecursionError):
        return UNKNOWN
    if theirs is None or len(ours) != len(slots) or len(theirs) != len(slots):
        return UNKNOWN
    told = set(mapped.values())
    weights = (
        [mapped.get(u, signatures[u]) for u in live],
        [s if s in told else slot.signature for s, slot in enumerate(slots)],
    )
    return Graphs(theirs, ours, {u: i for i, u in enumerate(live)}, compare(theirs, ours, weights))
