"""A profile as people read it: the table that profilers of phones print, side by side for each place."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.abi.profile import Column, Profile, Times, amount
from archspec.abi.shares import Group, Share, share
from archspec.table import table

CLASSES = ("simd", "memory", "branch")  # the rest of the instructions is scalar


def text(made: Profile, groups: Sequence[Group], by: str) -> str:
    """A line for each group of `shares.grouped(made, by)`, side by side for each place, then how the whole compares."""
    row = "row" if made.rows else "layer"
    header = {"op": ["op", "count"], "row": [row, "ops"], "node": ["#", "op", row]}[by]
    lines: list[list[object]] = []
    for group in groups:
        op = made.ops[group.ops[0]]
        lines.append([op.index, op.op, op.row] if by == "node" else [group.name, len(group.ops)])
    total: list[object] = ["", "sum", ""] if by == "node" else ["sum", len(made.ops)]
    for i, column in enumerate(made.columns):
        words = _words(column, [group.shares[i] for group in groups])
        if by == "node" and _timed(column):
            words = [["kernels", *map(_kernels, column.ops), ""], *words]
        header += [cells[0] for cells in words]
        for line, *cells in zip(lines, *(cells[1:-1] for cells in words), strict=True):
            line += cells
        total += [cells[-1] for cells in words]
    return "\n".join([table(header, lines, total), *map(_whole, made.columns)])


def _timed(column: Column) -> bool:
    return any(isinstance(cost, Times) for cost in (column.whole, *column.ops))


def _kernels(cost: object) -> str:
    """What LiteRT calls that which ran an op."""
    names = [kind.removeprefix("Delegate/") for kind, _ in cost.nodes] if isinstance(cost, Times) else []
    return " + ".join(names)


def _words(column: Column, shares: Sequence[Share | None]) -> list[list[str]]:
    """The columns of a place, each with its title, a cell for each share and one for the sum, set to the right."""
    sums = [*shares, share(column)]
    cells = [
        [f"{column.cpu} {'ms' if _timed(column) else 'M'}", *(f"{s.amount:,.2f}" if s else "failed" for s in sums)],
        ["share", *(f"{100 * s.share:.1f} %" if s else "" for s in sums)],
    ]
    if not _timed(column):
        cells += [[name, *(_part(s, name) for s in sums)] for name in CLASSES]
    return [[cell.rjust(max(map(len, words))) for cell in words] for words in cells]


def _part(one: Share | None, name: str) -> str:
    """A class's part of the instructions of a line."""
    if one is None or one.classes is None or not one.classes.total:
        return ""
    return f"{100 * getattr(one.classes, name) / one.classes.total:.0f} %"


def _whole(column: Column) -> str:
    """How the whole file compares with the sum of its ops."""
    place, whole, ops = f"{column.cpu}, {column.kernels} kernels", amount(column.whole), share(column)
    if not whole or not ops:
        return f"{place}: the whole, or an op, fails"
    unit = "ms by a median, and noisy" if _timed(column) else "M instructions"
    off = 100 * (ops.amount / whole - 1)
    more = f"{abs(off):.1f} % {'more' if off > 0 else 'less'}"
    return f"{place}: the whole takes {whole:,.2f} {unit}; its ops by themselves {more}"
