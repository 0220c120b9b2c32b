"""Findings in words: each names the row, the layer and the tensors it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from archspec.weights.names import GENERIC, partners, skeleton, tokens
from archspec.weights.slots import Signature, Slot, show_shape, show_weights
from archspec.weights.units import POSITIONAL, Unit
from archspec.weights.views import natural


def where(*slots: Slot) -> str:
    """Slots as messages name them: row, then layer."""
    return " or ".join(f"row `{slot.row}` (layer `{slot.layer}`)" for slot in slots)


def misfit(unit: Unit, slot: Slot, *others: Slot) -> str:
    """Why a unit cannot be the slot it is meant for (or one of `others`): other weights or another shape."""
    view, place = natural(unit, slot.kind), where(slot, *others)
    if view is None:
        return f"{place} wants {show_weights(slot.weights)}; {unit} is no weight of a known kind"
    theirs, ours = dict(view.signature[1]), dict(slot.weights)
    if theirs == ours:
        return f"{place} is a {slot.kind} layer; {unit} is of another kind"
    lines = []
    for weight in theirs.keys() - ours.keys():
        note = " that is not all ones" if weight == "gamma" else ""
        lines.append(f"left in source: {place} has no {weight}; the source has one{note}: `{unit.parts[weight][0]}`")
    for weight, shape in ours.items():
        if weight not in theirs:
            lines.append(f"missing tensor: {place} wants {weight} {show_shape(shape)}; `{unit.scope}` has none")
        elif theirs[weight] != shape:
            stored = unit.parts[weight][1]
            layout = f", stored as {show_shape(stored)}" if stored != theirs[weight] else ""
            lines.append(
                f"shape mismatch: {place} wants {weight} {show_shape(shape)};"
                f" tensor `{unit.parts[weight][0]}` is {show_shape(theirs[weight])}{layout}"
            )
    return "\n".join(lines)


def ambiguous(units: Sequence[Unit], slots: Sequence[Slot]) -> str:
    """Units that fit several slots alike, and how to say which."""
    fits = ", ".join(where(slot) for slot in slots)
    wants = " or ".join(dict.fromkeys(show_weights(slot.weights) for slot in slots))
    tensors = ", ".join(map(str, units))
    return (
        f"ambiguous: {tensors} {'fits' if len(units) == 1 else 'fit alike'} {fits}, which want {wants};"
        f" say which is which, such as --map '{units[0].scope}={slots[0].layer}'"
    )


def elsewhere(unit: Unit, slot: Slot, how: str) -> str:
    """A unit that some evidence takes to a slot, and that stands elsewhere in the source's graph."""
    return (
        f"contradiction: {unit} is {where(slot)} by its {how}, but in the source's graph another tensor stands there;"
        f" if it is right, say so with --map '{unit.scope}={slot.layer}'"
    )


@dataclass
class _Short:
    """Slots of one signature, of which `missing` find no unit among those that fit (`fitting`)."""

    slots: list[int]
    missing: int
    fitting: list[int]


def leftovers(
    units: Sequence[Unit],
    slots: Sequence[Slot],
    places: Mapping[Signature, set[int]],
    chosen: Mapping[Signature, list[int]],
    homeless: Sequence[int],
) -> list[str]:
    """All slots without a tensor and all tensors without a slot; empty when each shape has as many of both.

    `places`: slots by signature, `chosen`: units by signature, `homeless`: units whose shape nothing wants. A
    homeless unit is laid beside the slot it most likely was meant for.
    """
    short = []
    lines = []
    for signature, members in places.items():
        fitting = chosen.get(signature, [])
        if len(fitting) < len(members):
            short.append(_Short(sorted(members), len(members) - len(fitting), fitting))
        elif len(fitting) > len(members):
            lines.append(_too_many([units[u] for u in fitting], [slots[s] for s in sorted(members)]))
    paired, rest = _lay_beside(units, slots, short, homeless)
    lines = paired + [_missing(group, units, slots) for group in short if group.missing] + lines
    lines += [_no_row(units[u]) for u in rest]
    return lines + (_lonely_norms(units) if short else [])


def _lay_beside(
    units: Sequence[Unit], slots: Sequence[Slot], short: Sequence[_Short], homeless: Sequence[int]
) -> tuple[list[str], list[int]]:
    """Misfits of homeless units with the short slots nearest to them; and the units near to none."""
    hints = {u: _same_rank(u, units, slots) for u in homeless}
    near = sorted(
        (s not in hints[u], distance, u, s, g)
        for u in homeless
        for g, group in enumerate(short)
        for s in group.slots
        if (distance := _distance(units[u], slots[s])) is not None
    )
    lines: dict[int, str] = {}
    for unlikely, _, u, s, g in near:
        group = short[g]
        if u in lines or s not in group.slots or not group.missing:
            continue
        alike = [t for t in group.slots if t != s and (unlikely or t in hints[u])]
        lines[u] = misfit(units[u], slots[s], *(slots[t] for t in alike))
        group.missing -= 1
        if not alike:
            group.slots.remove(s)
    return list(lines.values()), [u for u in homeless if u not in lines]


def _same_rank(unit: int, units: Sequence[Unit], slots: Sequence[Slot]) -> set[int]:
    """Slots at the unit's place in a role whose other slots have the shapes of the unit's family, one by one.

    Where several roles do, those that the unit's name has the words of.
    """
    name = skeleton(units[unit].scope)[0]
    family = [u for u, v in enumerate(units) if skeleton(v.scope)[0] == name and v.norm == units[unit].norm]
    family.sort(key=lambda u: skeleton(units[u].scope)[1])
    roles: dict[tuple[str, str], list[int]] = {}
    for s, slot in enumerate(slots):
        roles.setdefault((slot.block, slot.role), []).append(s)
    found = {
        members[family.index(unit)]
        for members in roles.values()
        if len(members) == len(family)
        and all(u == unit or _fits(units[u], slots[s]) for u, s in zip(family, members, strict=True))
    }
    told = {s for s in found if set(tokens(slots[s].role)) - GENERIC <= set(tokens(units[unit].scope))}
    return told or found


def _fits(unit: Unit, slot: Slot) -> bool:
    view = natural(unit, slot.kind)
    return view is not None and view.signature == slot.signature


def _distance(unit: Unit, slot: Slot) -> float | None:
    """How far a unit's shapes are from a slot's: log ratios summed over axes; None if incomparable."""
    view = natural(unit, slot.kind)
    if view is None or unit.norm != (slot.kind == "norm"):
        return None
    pairs = [(shape, dict(slot.weights)[weight]) for weight, shape in view.signature[1] if weight in dict(slot.weights)]
    if not pairs or any(len(a) != len(b) or 0 in (*a, *b) for a, b in pairs):
        return None
    return sum(abs(log(x / y)) for a, b in pairs for x, y in zip(a, b, strict=True))


def _missing(group: _Short, units: Sequence[Unit], slots: Sequence[Slot]) -> str:
    place = where(*(slots[s] for s in group.slots))
    wants = show_weights(slots[group.slots[0]].weights)
    if not group.fitting:
        return f"missing tensor: {place} wants {wants}; the source has none left"
    return (
        f"missing tensor: {place} wants {wants}; the source has only {len(group.fitting)}:"
        f" {', '.join(str(units[u]) for u in group.fitting)}"
    )


def _too_many(units: Sequence[Unit], slots: Sequence[Slot]) -> str:
    return (
        f"left in source: {len(units) - len(slots)} of {', '.join(map(str, units))};"
        f" only {where(*slots)} can take such a tensor"
    )


def _no_row(unit: Unit) -> str:
    if unit.kind != POSITIONAL:
        return f"left in source: no row wants {unit}"
    return (
        f"left in source: {', '.join(f'`{tensor}`' for tensor in unit.tensors)}: the file does not say which"
        f" is which; save the model as .keras, or say where they go with --map '{unit.scope}=LAYER'"
    )


def _lonely_norms(units: Sequence[Unit]) -> list[str]:
    """Norms without the convolution that others of their naming have: traces of a missing tensor."""
    norms = [unit.scope for unit in units if unit.norm]
    found = partners([unit.scope for unit in units if unit.parts and not unit.norm], norms)
    paired = {skeleton(norm)[0] for norm in found}
    return [
        f"note: the source has `{norm}`, but no convolution named like it"
        for norm in norms
        if norm not in found and skeleton(norm)[0] in paired
    ]


def flattened(unit: Unit, slot: Slot, slots: Sequence[Slot]) -> str | None:
    """The doubt about a dense layer that reads a flattened map: PyTorch flattens channels first, Keras last.

    There is none where its inputs are as many as the channels of the layers just above it.
    """
    if not unit.torch or slot.kind != "dense":
        return None
    inputs = slot.weights[0][1][0]
    above = [a for a in slot.above if not any(a in slots[b].above for b in slot.above)]
    channels = [_channels(slots[a]) for a in above]
    if inputs in (*channels, sum(channels)):
        return None
    return (
        f"ambiguous: {where(slot)} reads {inputs} values, the layers above give {sum(channels)} channels:"
        f" PyTorch flattens a map channels first, so the order of {unit} is in doubt; if nothing is flattened"
        f" there, say so with --map '{unit.scope}={slot.layer}'"
    )


def _channels(slot: Slot) -> int:
    """Output channels of a layer."""
    shape = slot.weights[0][1]
    if slot.kind == "depthwise":
        return shape[2] * shape[3]
    return shape[2] if slot.kind == "transpose" else shape[-1]
