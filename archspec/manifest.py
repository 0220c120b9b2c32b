"""manifest.json: what was built, from what, with what, and how far it is from the float model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.analysis import Network
from archspec.artifact import Artifact
from archspec.calibration import Calibration
from archspec.jobs import Network as Source
from archspec.spec import Input

DISTRIBUTION = "archspec-compiler"
TOOLS = (DISTRIBUTION, "tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy")
CHUNK = 1 << 20  # bytes read at a time

Answers = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Weights:
    """A file of weights (or the prefix of a checkpoint) and the digest of its bytes."""

    path: str
    sha256: str


def weights_at(path: Path) -> Weights:
    """The weights a user names. Raises OSError where no such file, and no such checkpoint, is there."""
    files = [path] if path.is_file() else sorted(path.parent.glob(f"{path.name}.data-*")) + [Path(f"{path}.index")]
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    return Weights(str(path), digest.hexdigest())


def input_entry(contract: Input) -> dict[str, Any]:
    """The input contract as the manifest has it: every number written out for every channel."""
    channels = contract.shape[2]

    def each(value: float | tuple[float, ...] | None) -> list[float] | None:
        if value is None:
            return None
        return list(value) if isinstance(value, tuple) else [value] * channels

    color = contract.color or {1: "gray", 3: "rgb"}.get(channels)
    return {
        "size": list(contract.shape),
        "range": list(contract.range) if contract.range else None,
        "mean": each(contract.mean),
        "std": each(contract.std),
        "color": color,
        "resize": contract.resize,
    }


def facts(artifact: Artifact, answers: Answers, reference: Answers) -> dict[str, Any]:
    """What is known of one file: size, digest, inputs, outputs, ops, float islands, difference to the float model."""
    scales = {info.name: info.scale for info in artifact.outputs}
    return {
        "bytes": artifact.size,
        "sha256": artifact.sha256,
        "inputs": [asdict(info) for info in artifact.inputs],
        "outputs": [asdict(info) for info in artifact.outputs],
        "ops": [asdict(use) for use in artifact.ops],
        "float_islands": [asdict(island) for island in artifact.float_islands],
        "difference": {name: difference(answers[name], reference[name], scales[name]) for name in reference},
    }


def difference(got: NDArray[np.float32], wanted: NDArray[np.float32], scale: float | None) -> dict[str, float | None]:
    """Largest and mean absolute difference of an output, also in steps of its quantization (LSB) where it has one."""
    apart = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
    largest, mean = float(apart.max()), float(apart.mean())
    return {
        "max": largest,
        "mean": mean,
        "max_lsb": largest / scale if scale else None,
        "mean_lsb": mean / scale if scale else None,
    }


def make(
    network: Network, source: Source, weights: Weights | None, calibration: Calibration,
    artifacts: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """The manifest as data. It holds no time and no machine, so that the same build gives the same text."""
    head = network.graph.head
    return {
        "model": head.model,
        "variant": network.variant,
        "spec": {"file": Path(source.name).name, "sha256": hashlib.sha256(source.text.encode()).hexdigest()},
        "weights": {"file": Path(weights.path).name, "sha256": weights.sha256} if weights else "untrained",
        "input": input_entry(head.input),
        "outputs": [name for name, _ in network.graph.outputs],
        "params": network.cost.params,
        "macs": network.cost.macs,
        "calibration": calibration.source,
        "keras": "model.keras",
        "artifacts": list(artifacts),
        "failed": list(failed),
        "tools": versions(),
    }


def versions() -> dict[str, str]:
    """The versions of what the bytes depend on, of those that are installed."""
    found = {}
    for name in TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def text(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
