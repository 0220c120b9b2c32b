"""The folder of a run as its processes find it: begun anew, or gone on with, by one command at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archspec.analysis import Document, Network
from archspec.files import write_all
from archspec.train import TrainError
from archspec.train.cluster import Place, check_parts
from archspec.train.examples import ExampleError
from archspec.train.prepare import checked, new_folder, resolved
from archspec.train.run import ASKED, SPEC, STATE


@dataclass(frozen=True)
class Asked:
    """What a run was begun with, besides its spec: the file of weights, and how many processes and devices."""

    weights: str | None
    workers: int = 1
    devices: int = 1


@dataclass(frozen=True)
class Begun:
    """A run whose folder is there: the text of its spec, and whether it may have been begun before."""

    folder: Path
    text: str
    asked: Asked
    before: bool


def begin(
    doc: Document,
    network: Network,
    runs: Path,
    name: str | None,
    asked: Asked,
    again: bool,
    place: Place | None,
    told: Callable[[ExampleError], None],
) -> Begun:
    """A new run of a network below `runs`, its spec written; or with `again` the run of that name, if it is there.

    In a cluster only the chief writes, and `name` is given. `told` hears of examples that are skipped.
    Raises TrainError, OSError.
    """
    root = Path(doc.source.name).absolute().parent
    recipe, mean = checked(network, root, told)
    if recipe.fresh and asked.weights is None:
        raise TrainError("`train.fresh` names rows that do not begin with the weights of a file: add --weights FILE")
    check_parts(recipe.batch, asked.workers * asked.devices * (place.workers if place else 1))
    text = resolved(doc, network, root, mean)
    folder = runs / (name or "")
    if place is not None and place.worker:
        return Begun(folder, text, asked, True)
    if again and (folder / SPEC).exists():
        if (folder / SPEC).read_text(encoding="utf-8") != text:
            raise TrainError(f"{folder} is a run of another spec: name a new one by --name, or use --resume {folder}")
        return Begun(folder, text, asked, True)
    if again and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()  # of a command that was killed before it wrote the spec
    folder = new_folder(runs, name, network.graph.head.model)
    # the spec comes last: where it is, all of it is
    write_all({folder / ASKED: json.dumps(vars(asked)) + "\n", folder / SPEC: text})
    return Begun(folder, text, asked, False)


def resumed(folder: Path, text: str) -> Begun:
    """A run that is gone on with as it was begun. Raises TrainError, OSError."""
    try:
        data: Any = json.loads((folder / ASKED).read_text(encoding="utf-8"))
        return Begun(folder, text, Asked(data["weights"], int(data["workers"]), int(data["devices"])), True)
    except FileNotFoundError:
        if (folder / STATE).exists():
            return Begun(folder, text, Asked(None), True)
        raise TrainError(f"{folder}: no run; begin one by: archspec train SPEC") from None
    except (ValueError, KeyError, TypeError) as error:
        raise TrainError(f"{folder / ASKED}: not what a run was begun with") from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Meanwhile no other command may go on with a run. Raises TrainError where one does, OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainError(f"{folder}: another process goes on with this run") from None
        yield
    finally:
        os.close(descriptor)
