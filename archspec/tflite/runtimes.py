"""Which release of TensorFlow Lite the ops of a .tflite file need."""

from __future__ import annotations

import re
from dataclasses import dataclass

from archspec.tflite.model import graphs
from archspec.tflite.releases import RELEASES

Release = tuple[int, int, int]


@dataclass(frozen=True)
class Needs:
    """An op in a version that a runtime does not have, or that no release is known to have: then `runtime` is None.

    `runtime` is the first release that has it, `tensor` the name of what the op writes.
    """

    op: str
    version: int
    runtime: str | None
    tensor: str


def parse_release(text: str) -> Release:
    """A release as numbers to compare: 2.9.0 is older than 2.17.1. Raises ValueError for what is not N.N or N.N.N."""
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9}){1,2}", text, re.ASCII):
        raise ValueError(f"`{text}` is no release: write it as 2.17.1")
    major, minor, patch = [*map(int, text.split(".")), 0][:3]
    return major, minor, patch


def first_release(op: str, version: int) -> str | None:
    """The first release that runs an op, as the format spells it, in a version of it; None where none is known."""
    return FIRST.get((op, version))


def newest_needed(data: bytes) -> str | None:
    """The first release that runs all ops of the .tflite file `data`; None where that is not known of one of them.

    Where it is known the converter writes the same into a file, as `min_runtime_version`. Raises ArtifactError.
    """
    releases = {first_release(step.op, step.version) for graph in graphs(data) for step in graph.steps}
    known = [release for release in releases if release is not None]
    return max(known, key=parse_release) if known and None not in releases else None


def newer_than(data: bytes, runtime: str) -> list[Needs]:
    """The ops of the .tflite file `data` that a release does not run, or may not, in the order in which they run.

    `runtime` is a release of TensorFlow Lite, which goes by TensorFlow's numbers: 2.17.1. LiteRT counts anew: its 2.0
    came after TensorFlow Lite's 2.20. Of custom ops only `CUSTOM` are in a release. Raises ArtifactError where the file
    is broken, ValueError where `runtime` is no release.
    """
    there = parse_release(runtime)
    found = []
    for graph in graphs(data):
        for step in graph.steps:
            first = first_release(step.op, step.version)
            if first is None or parse_release(first) > there:
                written = graph.tensors[step.outputs[0]].name if step.outputs else ""
                found.append(Needs(step.op, step.version, first, written))
    return found


def _first() -> dict[tuple[str, int], str]:
    rows = (line.split() for line in RELEASES.split("\n") if line)
    return {(op, version): at for op, *all_ in rows for version, at in enumerate(all_, 1) if at != "-"}


DETECTION = "TFLite_Detection_PostProcess"
CUSTOM = {(DETECTION, 1): "1.12.0"}
"""Custom ops that every interpreter registers, and a release that has them: the source of this one lay in
tensorflow/contrib/lite/kernels, a folder that releases after 1.12 do not have."""

FIRST = _first() | CUSTOM
"""An op and its version -> the first release that runs it."""
