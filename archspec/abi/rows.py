"""Which row of a spec an op of a .tflite file is of: by the names of its tensors, and the manifest beside the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archspec.manifest import NAME

NONE = "-"  # stands for the row of an op that no name tells


def entry_of(file: Path) -> dict[str, Any] | None:
    """What the manifest of a build, in the folder above, has of one of its files; None where there is none of it.

    A file that was changed since is none of the build. Raises OSError where the file cannot be read.
    """
    try:
        written = json.loads((file.absolute().parent.parent / NAME).read_text(encoding="utf-8"))
        name = f"{file.absolute().parent.name}/{file.name}"
        entry = dict(next(one for one in written["artifacts"] if one["file"] == name))
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
    return entry if hashlib.sha256(file.read_bytes()).hexdigest() == entry.get("sha256") else None


def rows_of(entry: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The rows of a manifest's entry, in the order of the table; none where it names none."""
    rows = entry.get("rows") if entry else None
    return tuple(map(str, rows)) if isinstance(rows, list) else ()


def row_of(names: Sequence[str], constants: Sequence[str], rows: Sequence[str]) -> str:
    """The row of an op, `NONE` where its names tell none.

    `names` are those of its outputs, `constants` of what only it reads; the outputs are asked first. The converter
    joins the names of ops that it fuses: of several rows the last of the table is the one whose tensor it is.
    """
    for told in (names, constants):
        found = {row for name in told for path in name.split(";") if (row := _row(path, rows))}
        if found:
            return max(found, key=rows.index)
    return NONE


def _row(path: str, rows: Sequence[str]) -> str | None:
    """The row of a layer `ROW`, `ROW_...` or `ROW.…`, the longest that fits; a path is `MODEL/LAYER/...`."""
    parts = path.split("/")
    layer = parts[1] if len(parts) > 1 else path  # an output has the name of its row
    fitting = [row for row in rows if layer == row or layer.startswith((f"{row}_", f"{row}."))]
    return max(fitting, key=len, default=None)


def layer_of(names: Sequence[str]) -> str:
    """What a file without a manifest calls an op: the layer in the path of its output, else all of the name."""
    path = names[0].split(";")[0]
    parts = path.split("/")
    return parts[1] if len(parts) > 2 else path
