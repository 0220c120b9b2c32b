"""A CSV of path,label."""

from __future__ import annotations

import csv

from archspec.files import reason
from archspec.train.examples import ExampleError
from archspec.train.sources import Asked
from archspec.train.sources.folders import Labelled


def open_source(asked: Asked, path: str | None) -> Labelled:
    """Without a header, one `path,label` a line; paths count from the CSV's folder. The classes are the labels, sorted:
    by their numbers where all are whole numbers. Raises ExampleError.
    """
    assert path is not None, "the recipe's check asks for it"
    file, pairs = asked.at(path), []
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != 2:
                    raise ExampleError(f"{file}:{reader.line_num}: not path,label: {','.join(cells)}")
                picture = file.parent / cells[0].strip()
                if not picture.is_file():
                    raise ExampleError(f"{file}:{reader.line_num}: no such file: {picture}")
                pairs.append((picture, cells[1].strip()))
    except (OSError, ValueError, csv.Error) as error:
        raise ExampleError(f"{file}: {reason(error)}") from error
    if not pairs:
        raise ExampleError(f"{file}: no pictures in it")
    names = {label for _, label in pairs}
    whole = all(name.isascii() and name.isdigit() for name in names)
    # numbers are classes as they stand: one that no picture has is a class all the same
    ordered = [str(i) for i in range(max(map(int, names)) + 1)] if whole else sorted(names)
    numbers = {name: i for i, name in enumerate(ordered)}
    return Labelled(tuple((p, int(label) if whole else numbers[label]) for p, label in pairs), tuple(ordered))
