"""What the command line asks of a worker process, and what the worker tells it: JSON, one line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Network:
    """Which network of which spec: the text as it was read, the variant, the modules of blocks it needs."""

    name: str
    text: str
    variant: str | None
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conversion:
    """One file to make: a scheme of a variant, and the ABIs that are served by it."""

    key: str
    scheme: str
    variant: str | None
    abis: tuple[str, ...]


@dataclass(frozen=True)
class BuildJob:
    """Make model.keras and every conversion in `folder`. `calibration` is an .npy of images in model units."""

    network: Network
    conversions: tuple[Conversion, ...]
    folder: str
    calibration: str
    weights: str | None
    keras: bool
    task: str = "build"


@dataclass(frozen=True)
class ImportJob:
    """Match the tensors of `source` to the network and write them to `out`, a Keras .weights.h5."""

    network: Network
    source: str
    out: str
    maps: tuple[str, ...] = field(default=())
    task: str = "import"


def encode(job: BuildJob | ImportJob) -> str:
    return json.dumps(asdict(job))


def decode(text: str) -> BuildJob | ImportJob:
    """The job that `encode` wrote."""
    data: dict[str, Any] = json.loads(text)
    network = data.pop("network")
    network["blocks"] = tuple(network["blocks"])
    if data["task"] == "import":
        return ImportJob(Network(**network), data["source"], data["out"], tuple(data["maps"]))
    conversions = tuple(Conversion(c["key"], c["scheme"], c["variant"], tuple(c["abis"])) for c in data["conversions"])
    return BuildJob(
        Network(**network), conversions, data["folder"], data["calibration"], data["weights"], data["keras"]
    )


Event = Mapping[str, Any]


