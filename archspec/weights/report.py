"""A match as text: what went where, on what evidence, and what is left on either side."""

from math import prod

from archspec.weights.diagnose import where
from archspec.weights.match import Entry, Match
from archspec.weights.slots import show_shape


def render_report(match: Match) -> str:
    """The table of a match, one weight a line, and its summary. Shapes are the network's (Keras layout)."""
    head = ("layer", "row", "weight", "", "tensor", "shape", "by")
    rows = [head] + [
        (
            entry.slot.layer,
            entry.slot.row,
            entry.part.weight,
            "<-",
            entry.part.tensor,
            show_shape(entry.part.shape) + _changed(entry),
            entry.how,
        )
        for entry in match.entries
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    values = sum(prod(entry.part.shape) for entry in match.entries)
    left = ", ".join(match.unused) or "none"
    lines = [
        *table,
        f"{len(match.entries)} tensors, {values} values; left in source: {left}; left in spec: none",
    ]
    if match.source.skipped:
        lines.append(f"no weights, skipped: {_short(match.source.skipped)}")
    if match.other_graph:
        lines.append(
            f"note: the source's graph is another: the first to read other layers is {where(match.other_graph)}"
        )
    return "\n".join(lines)


def _changed(entry: Entry) -> str:
    """What is done to a tensor's axes and values."""
    done = ["transposed"] if entry.part.axes else []
    done += [f"times {entry.factor:.6g}"] if entry.factor != 1 else []
    done += [f"plus {entry.shift:g}"] if entry.shift else []
    return f" ({', '.join(done)})" if done else ""


def _short(names: tuple[str, ...], most: int = 5) -> str:
    """The first few names and how many more there are; training state can be twice as long as the weights."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
