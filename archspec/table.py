"""Tables for people: columns of text, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]], total: Sequence[object] = ()) -> str:
    """Rows under a header. Numbers get thousands separators and stand right; `total` stands under a rule."""
    body = [[_cell(value) for value in row] for row in rows]
    last = [_cell(value) for value in total]
    lines = [list(header), *body, *([last] if last else [])]
    right = [_numbers([row[i] for row in rows]) for i in range(len(header))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    out = [_line(header, widths, right), _rule(widths), *(_line(row, widths, right) for row in body)]
    if last:
        out += [_rule(widths), _line(last, widths, right)]
    return "\n".join(out) + "\n"


def _numbers(column: Sequence[object]) -> bool:
    """Whether a column is one of numbers, with gaps or without."""
    said = [value for value in column if value not in ("", None)]
    return bool(said) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in said)


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rule(widths: Sequence[int]) -> str:
    return "  ".join("-" * width for width in widths)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
    return "  ".join(padded).rstrip()
