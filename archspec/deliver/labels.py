"""Labels: what the units of a classifier's or a segmenter's output stand for, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archspec.files import reason

FILE = "labels.txt"  # beside the artifacts, among an app's assets and inside every .tflite file


class LabelsError(Exception):
    """Labels that cannot be used; says which line and why."""


def read_labels(source: Path | Sequence[str], units: int) -> tuple[str, ...]:
    """The labels of an output's `units` (its last axis): lines of a UTF-8 file, or the list itself.

    White space around a label goes. Two classes may share a label (ImageNet has two cranes): the place tells them
    apart. Raises LabelsError for a file that cannot be read, an empty label, a line break or NUL in one, and where
    there are not `units` of them.
    """
    lines, where = (_lines(source), f"{source}: ") if isinstance(source, Path) else (list(source), "")
    labels = [line.strip() for line in lines]
    for number, label in enumerate(labels, 1):
        if not label:
            raise LabelsError(f"{where}label {number} is empty")
        if {"\n", "\r", "\0"} & set(label):
            raise LabelsError(f"{where}label {number} holds a line break or NUL: {label!r}")
    if len(labels) != units:
        # TF-Slim's ImageNet models put a class `background` in front of the 1000
        hint = "; is the background class meant to be in them?" if abs(len(labels) - units) == 1 else ""
        raise LabelsError(f"{where}{len(labels)} labels for {units} units{hint}")
    return tuple(labels)


def labels_text(labels: Sequence[str]) -> str:
    """labels.txt: one label a line."""
    return "".join(f"{label}\n" for label in labels)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsError(f"{path}: cannot read the labels: {reason(error)}") from error
    lines = text.split("\n")  # str.splitlines would also split at characters that a label may hold
    return lines[:-1] if lines[-1] == "" else lines
