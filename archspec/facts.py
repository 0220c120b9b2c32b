"""What a build says of an artifact: measured on it, or read from the file. A claim that fails is an error."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.artifact import ArtifactError, inspect_tflite, run_tflite
from archspec.claims import Claim, ClaimError, check, check_runtime, float_layers, located
from archspec.cost import cost
from archspec.quantize.placed import placed
from archspec.spec import CALIBRATED
from archspec.tflite.memory import peak_ram
from archspec.tflite.runtimes import newest_needed

COMPARED = 20  # images on which an artifact is held against the float model

Floats = NDArray[np.float32]


def facts(data: bytes, claim: Claim, images: Floats, reference: Mapping[str, Floats]) -> dict[str, Any]:
    """MACs, float layers and the difference to the float model of a file that is held to its claim, ready for JSON.

    `images` (n, height, width, channels) are in model units, `reference` is the float model's answer to them by output,
    (n, ...). Raises ClaimError, ArtifactError.
    """
    check(data, claim, reference)
    answers = _run(data, claim, images)
    finite("the artifact", answers)
    scales = {info.name: info.scale for info in inspect_tflite(data).outputs}
    return {
        "macs": cost(claim.graph).macs,
        "float_layers": float_layers(placed(data, claim.graph)),
        "compared": len(images),
        "difference": {name: difference(answers[name], reference[name], scales[name]) for name in reference},
    }


def contents(data: bytes, claim: Claim, outputs: Sequence[str]) -> dict[str, Any]:
    """Size, digest, interface, ops, float islands, peak RAM, the release that is needed, ready for JSON.

    `outputs` come in the order given. Raises ClaimError where the release is newer than claimed, ArtifactError.
    """
    if claim.min_runtime is not None:
        check_runtime(data, placed(data, claim.graph), claim.min_runtime)
    artifact = inspect_tflite(data)
    infos = {info.name: info for info in artifact.outputs}
    return {
        "min_runtime": newest_needed(data),
        "bytes": artifact.size,
        "peak_ram_bytes": peak_ram(data),
        "sha256": artifact.sha256,
        "inputs": [asdict(info) for info in artifact.inputs],
        "outputs": [asdict(infos[name]) for name in outputs],
        "ops": [asdict(use) for use in artifact.ops],
        # a float model is one island from end to end, which says nothing
        "float_islands": [asdict(i) for i in artifact.float_islands] if claim.scheme in CALIBRATED else None,
    }


def _run(data: bytes, claim: Claim, images: Floats) -> dict[str, Floats]:
    """What the file answers. Raises ClaimError where the runtime refuses an op, with the row that it is from."""
    try:
        return run_tflite(data, images)
    except ArtifactError as error:
        number = re.search(r"Node number (\d+)", str(error))
        op = next((op for op in placed(data, claim.graph) if number and op.number == int(number[1])), None)
        raise ClaimError(f"{error}{located(op)}" if op else str(error)) from error


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
