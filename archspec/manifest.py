"""manifest.json: what was built, from what, with what, and how far it is from the float model."""

from __future__ import annotations

import glob
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from archspec.abi.golden import NAME as GOLDEN
from archspec.analysis import Network
from archspec.calibration import Calibration, input_entry
from archspec.jobs import KERAS, Conversion
from archspec.jobs import Network as Source

NAME = "manifest.json"
UNTRAINED = "untrained"  # stands for the weights where none were given
DISTRIBUTION = "archspec-compiler"
TOOLS = (DISTRIBUTION, "tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy", "pillow")
CHUNK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Weights:
    """A file of weights, or the prefix of a checkpoint, and the digest of its bytes."""

    path: str
    sha256: str


def weights_at(path: Path) -> Weights:
    """The weights a user names; a checkpoint by its prefix or any of its files.

    A checkpoint's digest is that of its data files in order, then its index. Raises OSError where nothing is there.
    """
    prefix = re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", str(path))
    index = Path(f"{prefix}.index")
    parts = sorted(glob.glob(f"{glob.escape(prefix)}.data-*-of-*"))
    digest = hashlib.sha256()
    for file in [*map(Path, parts), index] if index.is_file() else [path]:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    return Weights(str(path), digest.hexdigest())


def artifact(
    abi: str, file: str, conversion: Conversion, network: Network, calibration: Calibration, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """One artifact's entry. It has an input contract of its own, for its target may ask for another variant."""
    return {
        "abi": abi,
        "file": file,
        "variant": network.variant,
        "scheme": conversion.scheme,
        "io": conversion.border,
        "float_rows": list(conversion.float_rows),
        "int16_rows": list(conversion.int16_rows),
        "nms": asdict(conversion.nms) if conversion.nms else None,
        "rows": [row.name for row in network.graph.rows],
        "input": input_entry(network.graph.head.input),
        "calibration": {
            "source": _source(calibration, facts.get("calibrated")),
            "sha256": hashlib.sha256(calibration.images.tobytes()).hexdigest(),
        },
        **{key: value for key, value in facts.items() if key != "calibrated"},
    }


def _source(calibration: Calibration, tensors: int | None) -> str:
    """Where ranges come from; `tensors` counts those that trained ranges lack, None where there are no such ranges."""
    if tensors is None:
        return calibration.source
    return f"trained ranges, and {calibration.source} for {tensors} tensors" if tensors else "trained ranges"


def make(
    network: Network, source: Source, weights: Weights | None,
    artifacts: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]], golden: bytes,
) -> dict[str, Any]:  # fmt: skip
    """The manifest as data. It holds no time and no machine, so that the same build gives the same text.

    `golden` is the content of golden.npz.
    """
    head = network.graph.head
    return {
        "model": head.model,
        "variant": network.variant,
        "set": list(source.settings),
        "folded": source.folded,
        "spec": {"file": Path(source.name).name, "sha256": hashlib.sha256(source.text.encode()).hexdigest()},
        "weights": {"file": Path(weights.path).name, "sha256": weights.sha256} if weights else UNTRAINED,
        "input": input_entry(head.input),
        "outputs": [name for name, _ in network.graph.outputs],
        "params": network.cost.params,
        "macs": network.cost.macs,
        "keras": KERAS,
        "artifacts": list(artifacts),
        "failed": list(failed),
        "golden": {"file": GOLDEN, "sha256": hashlib.sha256(golden).hexdigest()},
        "tools": versions(),
    }


def versions() -> dict[str, str]:
    """The versions of what the bytes depend on, of those that are installed; archspec may run from its sources."""
    found = {DISTRIBUTION: "not installed"}
    for name in TOOLS:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def text(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
