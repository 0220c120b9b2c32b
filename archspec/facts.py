"""What a build says of an artifact: read from the file or measured on it. A claim that fails is an error."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.artifact import Artifact, TensorInfo, inspect_tflite, run_tflite

COMPARED = 20  # images on which an artifact is held against the float model
DTYPES = {"none": "float32", "int8": "int8"}  # of a scheme's inputs and outputs

Floats = NDArray[np.float32]


class ClaimError(Exception):
    """An artifact that is not what its scheme claims; names the op, the tensor or the output."""


def facts(data: bytes, scheme: str, images: Floats, reference: Mapping[str, Floats]) -> dict[str, Any]:
    """Size, digest, interface, ops, float islands, and the difference to the float model, ready for JSON.

    `images` (n, height, width, channels) are in model units, `reference` is the float model's answer to them by
    output, (n, ...), in the spec's order, in which the outputs come here too. Raises ClaimError, ArtifactError.
    """
    artifact = inspect_tflite(data)
    check(artifact, scheme, reference)
    answers = run_tflite(data, images)
    finite("the artifact", answers)
    outputs = {info.name: info for info in artifact.outputs}
    return {
        "bytes": artifact.size,
        "sha256": artifact.sha256,
        "inputs": [asdict(info) for info in artifact.inputs],
        "outputs": [asdict(outputs[name]) for name in reference],
        "ops": [asdict(use) for use in artifact.ops],
        # none where the scheme claims to have none; a float model is one island from end to end, which says nothing
        "float_islands": None if scheme == "none" else [asdict(island) for island in artifact.float_islands],
        "compared": len(images),
        "difference": {name: difference(answers[name], reference[name], outputs[name].scale) for name in reference},
    }


def check(artifact: Artifact, scheme: str, outputs: Mapping[str, Any]) -> None:
    """Hold a file to what its scheme claims. Raises ClaimError."""
    if sorted(info.name for info in artifact.outputs) != sorted(outputs):
        raise ClaimError(f"outputs {', '.join(i.name for i in artifact.outputs)} instead of {', '.join(outputs)}")
    for info in (*artifact.inputs, *artifact.outputs):
        _check_border(info, scheme)
    if scheme == "int8" and artifact.float_islands:
        borders = ("QUANTIZE", "DEQUANTIZE")  # around an island; the op between them is to blame
        islands = artifact.float_islands
        culprit = next((i for i in islands if i.op not in borders), islands[0])
        raise ClaimError(f"not int8: {culprit.op} handles floats at {_place(culprit.tensor, sorted(outputs))}")


def _place(tensor: str, outputs: Sequence[str]) -> str:
    """A tensor's name, with the row's where the converter has put `PartitionedCall:<number of the output>` instead.

    Outputs are numbered by name; a float twin of an int8 output has one more digit behind.
    """
    number = re.fullmatch(r"(?:Stateful)?PartitionedCall:(\d+)", tensor)
    named = [name for i, name in enumerate(outputs) if number and number[1] in (str(i), f"{i}1")]
    return f"output `{named[0]}`" if len(named) == 1 else tensor


def _check_border(info: TensorInfo, scheme: str) -> None:
    if info.dtype != DTYPES[scheme]:
        raise ClaimError(f"not {scheme}: `{info.name}` is {info.dtype}")
    if scheme == "int8" and info.scale is None:
        raise ClaimError(f"not int8: `{info.name}` has no scale")
    if info.shape[:1] != (1,):
        raise ClaimError(f"`{info.name}` has batch {info.shape[:1]}, not 1")


def finite(who: str, answers: Mapping[str, Floats]) -> None:
    """Raise ClaimError where an answer is no number; `who` gives it."""
    for name, answer in answers.items():
        if not np.isfinite(answer).all():
            raise ClaimError(f"{who} answers nan or inf at output `{name}`")


def difference(got: Floats, wanted: Floats, scale: float | None) -> dict[str, float | None]:
    """Largest and mean absolute difference of an output, also in steps of its quantization (LSB) where it has one."""
    apart = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
    largest, mean = float(apart.max()), float(apart.mean())
    return {
        "max": largest,
        "mean": mean,
        "max_lsb": largest / scale if scale else None,
        "mean_lsb": mean / scale if scale else None,
    }
