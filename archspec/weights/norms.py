"""Norms belong to convolutions: what names and roles say about which norm unit goes to which norm slot."""

from collections.abc import Mapping, Sequence

from archspec.weights.names import partners
from archspec.weights.slots import Slot
from archspec.weights.solve import State
from archspec.weights.units import Unit


def followed(slots: Sequence[Slot]) -> dict[int, int]:
    """Norm slot -> slot of the convolution it normalizes.

    Role `X_bn` or `X_norm` goes with role `X` of the same application of the block if that is upstream; the
    only norm of a block needs no such name if one convolution of the block is upstream. A norm in front has
    none.
    """
    members: dict[str, list[int]] = {}
    for s, slot in enumerate(slots):
        members.setdefault(slot.instance, []).append(s)
    found: dict[int, int] = {}
    for inside in members.values():
        norms = [s for s in inside if slots[s].kind == "norm"]
        for norm in norms:
            above = [s for s in inside if s not in norms and s in slots[norm].above]
            stem = slots[norm].role.removesuffix("_bn").removesuffix("_norm")
            named = [s for s in above if slots[s].role == stem]
            chosen = named or (above if len(norms) == 1 else [])
            if len(chosen) == 1:
                found[norm] = chosen[0]
    return found


def norm_state(
    state: State, convs: Mapping[int, int], units: Sequence[Unit], slots: Sequence[Slot]
) -> tuple[dict[int, frozenset[int]], list[str]]:
    """Narrow the norms' candidates by the convolutions already settled (`convs`: unit -> slot).

    A norm named after a convolution goes to the norm slot below that convolution's slot, and never to one
    below another convolution.
    """
    after = {conv: norm for norm, conv in followed(slots).items()}
    by_scope = {units[u].layer: u for u in convs if not units[u].norm}
    norm_scopes = {units[u].scope: u for u in (*state, *(u for u in convs if units[u].norm))}
    named = {norm_scopes[norm]: by_scope[conv] for norm, conv in partners(by_scope, norm_scopes).items()}
    held: dict[int, frozenset[int]] = {}
    errors = []
    for u, candidates in state.items():
        if u not in named:
            held[u] = candidates
            continue
        conv = convs[named[u]]
        held[u] = candidates & {after[conv]} if conv in after else candidates - set(after.values())
        if not held[u]:
            errors.append(_contradiction(units[u], units[named[u]], slots[conv], slots, after.get(conv)))
    return held, errors


def _contradiction(norm: Unit, conv: Unit, slot: Slot, slots: Sequence[Slot], below: int | None) -> str:
    wants = (
        "has no norm of that shape" if below is None else f"has the norm `{slots[below].layer}`, which it does not fit"
    )
    return (
        f"tensor {norm} is named after `{conv.scope}`, which matched row `{slot.row}`"
        f" (layer `{slot.layer}`); that layer {wants}"
    )
