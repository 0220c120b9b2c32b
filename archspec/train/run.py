"""The folder of a run: its log, which a run that goes on continues to the byte, its curves."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from archspec.files import write_whole
from archspec.train import TrainError

FACTS = "archspec"  # the key of a state's metadata
STATE, LAST, BEST = "state.safetensors", "last.weights.h5", "best.weights.h5"
STEPS, MEASURES, SPEC, PICTURES, CURVES = "steps.csv", "measures.csv", "spec.yaml", "pictures", "curves.svg"
ASKED = "run.json"  # what a run was begun with, besides its spec
COLUMNS = {STEPS: ("step", "loss", "learning_rate"), MEASURES: ("step", "measure", "value")}


class Log:
    """steps.csv and measures.csv of a run that has done `step` steps; what they say of later ones goes.

    So do measures of that step, which are taken behind its state, and parts of files that a process left which was
    killed as it wrote them.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.folder = folder
        self.waiting: list[tuple[int, float, float]] = []
        for part in [*folder.glob(".*.part"), *folder.glob(f"{PICTURES}/.*.part"), *folder.glob("part.*")]:
            part.unlink()
        _cut(folder / STEPS, step)
        _cut(folder / MEASURES, step - 1)

    def step(self, step: int, loss: float, rate: float) -> None:
        """Note a step; `flush` writes it. Numbers have all digits, so that two runs can be compared."""
        self.waiting.append((step, loss, rate))

    def flush(self) -> None:
        """Append what was noted. Raises OSError."""
        _append(self.folder / STEPS, [(str(s), repr(loss), repr(rate)) for s, loss, rate in self.waiting])
        self.waiting.clear()

    def measured(self, step: int, result: Mapping[str, float]) -> None:
        """Append measures. Raises OSError."""
        rows = [(str(step), name, repr(value)) for name, value in result.items()]
        _append(self.folder / MEASURES, rows)


def _append(path: Path, rows: Sequence[tuple[str, ...]]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(_text(rows))


def _cut(path: Path, step: int) -> None:
    """Drop whole and broken lines about steps after `step`; make the file where there is none."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines[1:] if line.endswith("\n") and int(line.split(",")[0]) <= step]
    write_whole(path, _text([COLUMNS[path.name]]) + "".join(kept))


def _text(rows: Sequence[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def steps(folder: Path) -> list[tuple[int, float, float]]:
    """What a run's log says of each step: its number, from 1, the loss and the learning rate."""
    return [(int(step), float(loss), float(rate)) for step, loss, rate in _rows(folder / STEPS)]


def measures(folder: Path) -> list[tuple[int, str, float]]:
    """What a run's log says of its measures: the number of steps done, the measure's name and value."""
    return [(int(step), name, float(value)) for step, name, value in _rows(folder / MEASURES)]


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def result_of(folder: Path) -> dict[str, float] | None:
    """The last measures of a run that is finished; None of one that is not, or has no state. Raises TrainError."""
    from safetensors import SafetensorError, safe_open

    if not (folder / STATE).exists():
        return None
    try:
        with safe_open(folder / STATE, "np") as file:
            result: dict[str, float] | None = json.loads(file.metadata()[FACTS])["result"]
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise TrainError(f"{folder / STATE}: not the state of a run") from error
    return result
