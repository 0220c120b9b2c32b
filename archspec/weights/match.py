"""Foreign tensors to the layers of a graph, by structure: shapes and kinds first, then names and order as evidence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.weights.diagnose import ambiguous, flattened, leftovers, misfit
from archspec.weights.errors import WeightsError
from archspec.weights.maps import apply_maps
from archspec.weights.norms import norm_state
from archspec.weights.slots import Signature, Slot
from archspec.weights.solve import solve
from archspec.weights.units import Source, Unit, all_ones, units
from archspec.weights.views import Part, View, views


@dataclass(frozen=True)
class Entry:
    """One weight of one layer and the tensor it comes from; `how` names the evidence."""

    slot: Slot
    part: Part
    how: str


@dataclass(frozen=True)
class Match:
    """Every weight of the network with its tensor, in the network's order, Keras order inside a layer.

    `unused` names tensors left out on purpose: mapped to nothing, or a gamma of ones where the layer has none.
    """

    entries: tuple[Entry, ...]
    source: Source
    unused: tuple[str, ...]

    def arrays(self) -> dict[str, list[npt.NDArray[np.float32]]]:
        """Layer name -> arrays for `layer.set_weights`: Keras order, Keras layouts, float32."""
        found: dict[str, list[npt.NDArray[np.float32]]] = {}
        for entry in self.entries:
            array = self.source.tensors[entry.part.tensor]
            if entry.part.axes:
                array = array.transpose(entry.part.axes)
            value = np.ascontiguousarray(array.reshape(entry.part.shape), dtype=np.float32)
            found.setdefault(entry.slot.layer, []).append(value)
        return found

    @property
    def assignment(self) -> dict[str, dict[str, str]]:
        """Layer name -> weight name -> tensor name."""
        found: dict[str, dict[str, str]] = {}
        for entry in self.entries:
            found.setdefault(entry.slot.layer, {})[entry.part.weight] = entry.part.tensor
        return found


@dataclass
class _Work:
    """What is settled so far: unit -> slot and how, unit -> its reading."""

    source: Source
    units: list[Unit]
    slots: Sequence[Slot]
    pairs: dict[int, int] = field(default_factory=dict)
    how: dict[int, str] = field(default_factory=dict)
    views: dict[int, View] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)

    def is_ones(self, tensor: str) -> bool:
        return all_ones(self.source, tensor)

    def read(self, unit: int, wanted: Iterable[Signature], strict: bool = True) -> list[View]:
        return views(self.units[unit], set(wanted), self.is_ones, strict)


def match(slots: Sequence[Slot], source: Source, maps: Sequence[tuple[str, str]] = ()) -> Match:
    """Find for each weight of `slots` (topological order) its tensor in `source`.

    `maps` are pairs of patterns, source scope to layer name, where `*` stands for the same text on both sides; an empty
    layer drops the scope. Raises WeightsError with all findings at once: a tensor or a layer without partner, a shape
    that differs, layers that nothing tells apart, a map without effect, tensors that are no finite floats.
    """
    work = _Work(source, units(source), slots)
    work.dropped, work.pairs = apply_maps(maps, work.units, slots)
    work.how = dict.fromkeys(work.pairs, "map")
    _same_names(work)
    _read_settled(work)
    state = _candidates(work)
    _check_values(work)
    _settle(work, {u: c for u, c in state.items() if not _is_norm(work, c)})
    norms = {u: c for u, c in state.items() if _is_norm(work, c)}
    held, errors = norm_state(norms, work.pairs, work.units, slots)
    if errors:
        raise WeightsError("\n".join(errors))
    for unit in held:
        if len(held[unit]) == 1 and len(norms[unit]) > 1:
            work.how.setdefault(unit, "name")
    _settle(work, held)
    free = ((work.units[u], slots[s]) for u, s in work.pairs.items() if work.how[u] != "map")
    errors = [line for unit, slot in free if (line := flattened(unit, slot, slots))]
    if errors:
        raise WeightsError("\n".join(errors))
    return _result(work)


def _is_norm(work: _Work, candidates: frozenset[int]) -> bool:
    return work.slots[min(candidates)].kind == "norm"


def _same_names(work: _Work) -> None:
    """A file whose scopes are exactly our layers (one we wrote) is matched by name, without looking at structure."""
    scopes = {unit.scope: u for u, unit in enumerate(work.units) if u not in work.dropped}
    layers = {slot.layer: s for s, slot in enumerate(work.slots)}
    if (
        scopes.keys() == layers.keys()
        and len(scopes) == len(work.units) - len(work.dropped)
        and not work.pairs
    ):
        work.pairs = {u: layers[scope] for scope, u in scopes.items()}
        work.how = dict.fromkeys(work.pairs, "same name")


def _read_settled(work: _Work) -> None:
    """Read units settled by a map or by name as the slot they go to wants them."""
    errors = []
    for u, s in work.pairs.items():
        found = work.read(u, [work.slots[s].signature], strict=False)
        if found:
            work.views[u] = found[0]
        else:
            errors.append(misfit(work.units[u], work.slots[s]))
    if errors:
        raise WeightsError("\n".join(errors))


def _candidates(work: _Work) -> dict[int, frozenset[int]]:
    """Unit -> slots of its shape and kind, each shape with as many units as slots; else all leftovers as errors."""
    places: dict[Signature, set[int]] = {}
    for s in set(range(len(work.slots))) - set(work.pairs.values()):
        places.setdefault(work.slots[s].signature, set()).add(s)
    free = [u for u in range(len(work.units)) if u not in work.dropped and u not in work.pairs]
    found = {u: work.read(u, places) for u in free}
    _drop_full(found, {signature: len(members) for signature, members in places.items()})
    doubtful = {u: readings for u, readings in found.items() if len(readings) > 1}
    chosen: dict[Signature, list[int]] = {}
    for u, readings in found.items():
        for view in readings:
            chosen.setdefault(view.signature, []).append(u)
    if doubtful:
        raise WeightsError("\n".join(_two_readings(work, u, v, places) for u, v in doubtful.items()))
    wrong = leftovers(work.units, work.slots, places, chosen, [u for u in free if not found[u]])
    if wrong:
        raise WeightsError("\n".join(wrong))
    work.views |= {u: readings[0] for u, readings in found.items()}
    return {u: frozenset(places[readings[0].signature]) for u, readings in found.items()}


def _drop_full(found: dict[int, list[View]], room: Mapping[Signature, int]) -> None:
    """Drop a unit's second reading where other units, which have no choice, fill all slots of that shape."""
    while True:
        taken: dict[Signature, int] = {}
        for readings in found.values():
            if len(readings) == 1:
                taken[readings[0].signature] = taken.get(readings[0].signature, 0) + 1
        full = {signature for signature, count in taken.items() if count >= room[signature]}
        narrowed = {
            u: [v for v in readings if v.signature not in full]
            for u, readings in found.items()
            if len(readings) > 1
        }
        changed = {
            u: readings for u, readings in narrowed.items() if readings and len(readings) < len(found[u])
        }
        if not changed:
            return
        found |= changed


def _two_readings(work: _Work, unit: int, readings: list[View], places: Mapping[Signature, set[int]]) -> str:
    fits = sorted(s for view in readings for s in places[view.signature])
    return ambiguous([work.units[unit]], [work.slots[s] for s in fits])


def _settle(work: _Work, state: Mapping[int, frozenset[int]]) -> None:
    """Solve one phase into `work`. Raises WeightsError for what stays in doubt."""
    solution = solve(state, work.units, work.slots)
    if solution.open:
        groups = (([work.units[u] for u in us], [work.slots[s] for s in ss]) for us, ss in solution.open)
        raise WeightsError("\n".join(ambiguous(*group) for group in groups))
    work.pairs |= solution.pairs
    work.how = {**solution.how, **work.how}


def _check_values(work: _Work) -> None:
    """Refuse what cannot be a trained weight: integers (a quantized file) and values that are not finite."""
    errors = []
    for tensor in (part.tensor for view in work.views.values() for part in view.parts):
        array: npt.NDArray[Any] = work.source.tensors[tensor]
        if not np.issubdtype(array.dtype, np.floating):
            errors.append(f"tensor `{tensor}` holds {array.dtype}, not floats")
        elif not np.isfinite(array).all():
            errors.append(f"tensor `{tensor}` holds values that are not finite (nan or inf)")
    if errors:
        raise WeightsError("\n".join(errors))


def _result(work: _Work) -> Match:
    unit_of = {s: u for u, s in work.pairs.items()}
    entries = tuple(
        Entry(slot, part, work.how[unit_of[s]])
        for s, slot in enumerate(work.slots)
        for part in work.views[unit_of[s]].parts
    )
    dropped = [t for u in sorted(work.dropped) for t in work.units[u].tensors or (work.units[u].scope,)]
    ignored = [t for view in work.views.values() for t in view.ignored]
    return Match(entries, work.source, tuple(dropped + ignored))
