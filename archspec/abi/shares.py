"""A profile's costs added up: by type of op, by row of the spec, or op by op, each with its share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archspec.abi.count import Instructions
from archspec.abi.profile import Column, Op, Profile, amount


@dataclass(frozen=True)
class Share:
    """What ops cost together at one place, and their share of all ops' sum, 0 to 1; `classes` of instructions."""

    amount: float
    share: float
    classes: Instructions | None


@dataclass(frozen=True)
class Group:
    """Ops that a table shows as one line, by their places in the profile; a share is None where one of them failed."""

    name: str
    ops: tuple[int, ...]
    shares: tuple[Share | None, ...]


BY: dict[str, Callable[[Op], str]] = {
    "op": lambda op: op.op,
    "row": lambda op: op.row,
    "node": lambda op: str(op.index),
}


def grouped(profile: Profile, by: str) -> list[Group]:
    """The groups that a key of `BY` makes: types of ops by what they cost at the first place, rows and ops in order."""
    members: dict[str, list[int]] = {}
    for place, op in enumerate(profile.ops):
        members.setdefault(BY[by](op), []).append(place)
    groups = [
        Group(name, tuple(places), tuple(share(column, places) for column in profile.columns))
        for name, places in members.items()
    ]
    if by == "op":
        return sorted(groups, key=lambda group: -(group.shares[0].share if group.shares[0] else 0))
    order = {name: place for place, name in enumerate(profile.rows)}
    return sorted(groups, key=lambda group: order.get(group.name, len(order)))


def share(column: Column, places: Sequence[int] | None = None) -> Share | None:
    """What some of the ops cost together, or all of them; None where one of them failed."""
    costs = column.ops if places is None else [column.ops[place] for place in places]
    amounts = [value for cost in costs if (value := amount(cost)) is not None]
    if len(amounts) < len(costs):
        return None
    counts = [cost for cost in costs if isinstance(cost, Instructions)]
    classes = sum(counts, Instructions(0, 0, 0, 0)) if counts else None
    return Share(sum(amounts), sum(amounts) / column.total if column.total else 0.0, classes)
