"""A JSON Schema with what it repeats said once, under `$defs`: what `archspec schema` prints."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
SHORTEST = 80  # characters of a part that is worth a name
PLAIN = ("properties", "patternProperties", "$defs")  # keywords whose values are no schema but a mapping to schemas


def with_definitions(schema: Json) -> Json:
    """The schema with every longer part that stands in it twice or more moved to `$defs`, for a file to be read."""
    counts = Counter(_text(part) for part in _parts(schema))
    names: dict[str, str] = {}
    definitions: Json = {}

    def named(part: Any, inside: bool = False) -> Any:
        if isinstance(part, list):
            return [named(item) for item in part]
        if not isinstance(part, dict):
            return part
        text = "" if inside else _text(part)
        if counts[text] > 1 and len(text) >= SHORTEST:
            if text not in names:
                names[text] = _name(part, definitions)
                definitions[names[text]] = {}  # takes the name before its parts take theirs
                definitions[names[text]] = _each(part, named)
            return {"$ref": f"#/$defs/{names[text]}"}
        return _each(part, named)

    return {**_each(schema, named), "$defs": definitions}


def _each(part: Json, change: Any) -> Json:
    return {
        key: {k: change(v) for k, v in value.items()} if key in PLAIN else value if key == "enum" else change(value)
        for key, value in part.items()
    }


def _parts(part: Any, keyword: str = "") -> Iterator[Json]:
    """Every schema in a schema."""
    if isinstance(part, list):
        for item in part:
            yield from _parts(item)
    elif isinstance(part, dict):
        if keyword not in PLAIN:
            yield part
        for key, value in part.items():
            yield from _parts(value, key if keyword not in PLAIN else "")


def _text(part: Mapping[str, Any]) -> str:
    return json.dumps(part, sort_keys=True)


def _name(part: Json, taken: Mapping[str, Any]) -> str:
    """A name from what the part is called: its block, or the first words of its title."""
    said = str(part.get("x-block") or part.get("title") or "part")
    stem = "_".join(re.findall(r"[A-Za-z0-9]+", said)[:5])
    return next(name for i in range(1, len(taken) + 2) if (name := stem if i == 1 else f"{stem}_{i}") not in taken)
