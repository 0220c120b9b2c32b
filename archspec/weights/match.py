"""Foreign tensors to the layers of a graph: by shape and kind first, then by names and order as evidence."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archspec.weights.diagnose import ambiguous, elsewhere, flattened, leftovers, misfit, where
from archspec.weights.errors import WeightsError
from archspec.weights.graphs import Graphs, graphs
from archspec.weights.maps import apply_maps
from archspec.weights.norms import norm_state
from archspec.weights.slots import Signature, Slot
from archspec.weights.solve import solve
from archspec.weights.units import Source, Unit, all_ones, idle_bias, taken_out, units
from archspec.weights.views import Part, View, views


@dataclass(frozen=True)
class Entry:
    """One weight of one layer and the tensor it comes from; `how` names the evidence.

    The weight is `factor` times the tensor, plus `shift`: what a converter made part of it is taken out again.
    """

    slot: Slot
    part: Part
    how: str
    factor: float = 1
    shift: float = 0


@dataclass(frozen=True)
class Match:
    """Every weight of the network with its tensor, in the network's order, Keras order inside a layer.

    `unused` names tensors left out on purpose: mapped to nothing, or a gamma of ones where the layer has
    none. `other_graph` is the first layer that reads other layers in the source's graph, where that is known.
    """

    entries: tuple[Entry, ...]
    source: Source
    unused: tuple[str, ...]
    other_graph: Slot | None = None

    def arrays(self) -> dict[str, list[npt.NDArray[np.float32]]]:
        """Layer name -> arrays for `layer.set_weights`: Keras order, Keras layouts, float32."""
        found: dict[str, list[npt.NDArray[np.float32]]] = {}
        for entry in self.entries:
            array = self.source.tensors[entry.part.tensor]
            if entry.part.axes:
                array = array.transpose(entry.part.axes)
            value = np.ascontiguousarray(array.reshape(entry.part.shape), dtype=np.float32)
            if entry.factor != 1 or entry.shift:
                value = (value * np.float64(entry.factor) + entry.shift).astype(np.float32)
            found.setdefault(entry.slot.layer, []).append(value)
        return found

    @property
    def assignment(self) -> dict[str, dict[str, str]]:
        """Layer name -> weight name -> tensor name."""
        found: dict[str, dict[str, str]] = {}
        for entry in self.entries:
            found.setdefault(entry.slot.layer, {})[entry.part.weight] = entry.part.tensor
        return found


@dataclass(frozen=True)
class _Sides:
    """Both sides of a match; units and slots are spoken of by index."""

    source: Source
    units: Sequence[Unit]
    slots: Sequence[Slot]

    def read(self, unit: int, wanted: Collection[Signature], strict: bool = True) -> list[View]:
        ones, zeros = (lambda tensor: all_ones(self.source, tensor)), (lambda tensor: idle_bias(self.source, tensor))
        return views(self.units[unit], wanted, ones, zeros, strict)


@dataclass(frozen=True)
class _Settled:
    """Unit -> slot, and unit -> what settled it."""

    pairs: Mapping[int, int]
    how: Mapping[int, str]


def match(slots: Sequence[Slot], source: Source, maps: Sequence[tuple[str, str]] = ()) -> Match:
    """Find for each weight of `slots` (topological order) its tensor in `source`.

    `maps` are pairs of patterns, source scope to layer name, where `*` stands for the same text on both sides;
    an empty layer drops the scope. Raises WeightsError with all findings at once: a tensor or a layer without
    partner, a shape that differs, layers that nothing tells apart, a map without effect, tensors that are no
    finite floats.
    """
    sides = _Sides(source, units(source), slots)
    dropped, mapped = apply_maps(maps, sides.units, slots)
    settled = _Settled(mapped, dict.fromkeys(mapped, "map")) if mapped else _same_names(sides, dropped)
    readings = _read_settled(sides, settled)
    free = [u for u in range(len(sides.units)) if u not in dropped and u not in settled.pairs]
    state, more = _candidates(sides, free, settled)
    readings |= more
    _check_values(source, readings.values())
    both = graphs(source, sides.units, slots, {u: view.signature for u, view in readings.items()}, mapped)
    _raise(_graph_errors(sides, both))
    norms = {u: cands for u, cands in state.items() if slots[min(cands)].kind == "norm"}
    settled = _settle(sides, both, {u: cands for u, cands in state.items() if u not in norms}, settled)
    held, errors = norm_state(norms, settled.pairs, sides.units, slots)
    _raise(errors)
    named = {u: "name" for u in norms if len(held[u]) == 1 < len(norms[u])}
    settled = _settle(sides, both, held, _Settled(settled.pairs, {**settled.how, **named}))
    return _result(sides, settled, readings, dropped, both)


def _raise(errors: Iterable[str]) -> None:
    if message := "\n".join(errors):
        raise WeightsError(message)


def _same_names(sides: _Sides, dropped: Collection[int]) -> _Settled:
    """A file whose scopes are exactly our layers (one we wrote) is matched by name alone."""
    scopes = {unit.scope: u for u, unit in enumerate(sides.units) if u not in dropped}
    layers = {slot.layer: s for s, slot in enumerate(sides.slots)}
    if scopes.keys() != layers.keys() or len(scopes) + len(dropped) != len(sides.units):
        return _Settled({}, {})
    pairs = {u: layers[scope] for scope, u in scopes.items()}
    return _Settled(pairs, dict.fromkeys(pairs, "same name"))


def _read_settled(sides: _Sides, settled: _Settled) -> dict[int, View]:
    """Units settled by a map or by name, read as the slot they go to wants them."""
    found = {u: sides.read(u, [sides.slots[s].signature], strict=False) for u, s in settled.pairs.items()}
    _raise(misfit(sides.units[u], sides.slots[s]) for u, s in settled.pairs.items() if not found[u])
    return {u: readings[0] for u, readings in found.items()}


def _candidates(
    sides: _Sides, free: Sequence[int], settled: _Settled
) -> tuple[dict[int, frozenset[int]], dict[int, View]]:
    """Unit -> slots of its shape and kind, as many of both for each shape; else all leftovers as errors."""
    places: dict[Signature, set[int]] = {}
    for s in set(range(len(sides.slots))) - set(settled.pairs.values()):
        places.setdefault(sides.slots[s].signature, set()).add(s)
    room = {signature: len(members) for signature, members in places.items()}
    found = _drop_full({u: sides.read(u, places) for u in free}, room)
    _raise(
        ambiguous([sides.units[u]], [sides.slots[s] for v in readings for s in sorted(places[v.signature])])
        for u, readings in found.items()
        if len(readings) > 1
    )
    chosen: dict[Signature, list[int]] = {}
    for u, readings in found.items():
        for view in readings:
            chosen.setdefault(view.signature, []).append(u)
    _raise(leftovers(sides.units, sides.slots, places, chosen, [u for u in free if not found[u]]))
    readings_of = {u: readings[0] for u, readings in found.items()}
    return {u: frozenset(places[view.signature]) for u, view in readings_of.items()}, readings_of


def _drop_full(found: dict[int, list[View]], room: Mapping[Signature, int]) -> dict[int, list[View]]:
    """Without a unit's second reading where units that have no choice fill all slots of that shape."""
    while True:
        taken = Counter(readings[0].signature for readings in found.values() if len(readings) == 1)
        full = {signature for signature, count in taken.items() if count >= room[signature]}
        narrowed = {
            u: [view for view in readings if view.signature not in full] or readings
            for u, readings in found.items()
            if len(readings) > 1
        }
        if {**found, **narrowed} == found:
            return found
        found = {**found, **narrowed}


def _graph_errors(sides: _Sides, both: Graphs) -> Iterator[str]:
    """What the graphs alone say against any match."""
    if (slot := both.reordered()) is not None:
        yield (
            f"{where(sides.slots[slot])} reads a concatenation whose parts stand in another order in the source:"
            " its weights are for other channels"
        )


def _settle(sides: _Sides, both: Graphs, state: Mapping[int, frozenset[int]], before: _Settled) -> _Settled:
    """Solve one phase. Raises WeightsError for what stays in doubt, and for what the source's graph contradicts."""
    solution = solve(state, sides.units, sides.slots, lambda state: both.narrow(state, before.pairs))
    settled = _Settled({**before.pairs, **solution.pairs}, {**solution.how, **before.how})
    if (wrong := both.impossible(settled.pairs)) is not None:
        _raise([elsewhere(sides.units[wrong], sides.slots[settled.pairs[wrong]], settled.how[wrong])])
    _raise(ambiguous([sides.units[u] for u in us], [sides.slots[s] for s in ss]) for us, ss in solution.open)
    return settled


def _check_values(source: Source, readings: Iterable[View]) -> None:
    """Refuse what cannot be a trained weight: integers (a quantized file) and values that are not finite."""
    errors = []
    for tensor in (part.tensor for view in readings for part in view.parts):
        array = source.tensors[tensor]
        if not np.issubdtype(array.dtype, np.floating):
            errors.append(f"tensor `{tensor}` holds {array.dtype}, not floats")
        elif not np.isfinite(array).all():
            errors.append(f"tensor `{tensor}` holds values that are not finite (nan or inf)")
    _raise(errors)


def _result(
    sides: _Sides, settled: _Settled, readings: Mapping[int, View], dropped: Collection[int], both: Graphs
) -> Match:
    """The match in the network's order. Raises WeightsError for a dense layer whose inputs may be permuted."""
    unmapped = ((u, s) for u, s in settled.pairs.items() if settled.how[u] != "map")
    doubts = (flattened(sides.units[u], sides.slots[s], sides.slots) for u, s in unmapped)
    _raise(doubt for doubt in doubts if doubt)
    unit_of = {s: u for u, s in settled.pairs.items()}
    entries = tuple(
        Entry(slot, part, settled.how[unit_of[s]], *taken_out(sides.source, sides.units[unit_of[s]], slot, part.weight))
        for s, slot in enumerate(sides.slots)
        for part in readings[unit_of[s]].parts
    )
    left = [t for u in sorted(dropped) for t in sides.units[u].tensors or (sides.units[u].scope,)]
    unused = (*left, *(t for view in readings.values() for t in view.ignored))
    other = both.differing(settled.pairs)
    return Match(entries, sides.source, unused, None if other is None else sides.slots[other])
