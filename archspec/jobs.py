"""What the command line asks of a worker process, and what the worker tells it: JSON, one line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

KERAS = "model.keras"  # stands in events where the key of a conversion does, and is the file's name

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Network:
    """Which network of which spec: the text as it was read, the variant, the modules of blocks it needs.

    `outputs` names rows that are the outputs instead of the spec's own. `settings` are KEY=VALUE overrides of the
    head. `folded` asks for its deployed form, with batch norms folded into the layers in front of them.
    """

    name: str
    text: str
    variant: str | None
    blocks: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class Conversion:
    """One file to make, named `key`: a scheme of a variant, and the ABIs that are served by it.

    `border` is the type of its inputs and outputs, `outputs` the rows it serves (none: the network's own), `form` the
    form it is deployed in (see `passes`). `images` is an .npy beside it: the variant's calibration images, in model
    units.
    """

    key: str
    scheme: str
    border: str
    variant: str | None
    abis: tuple[str, ...]
    images: str
    form: str
    outputs: tuple[str, ...] = ()
    float_rows: tuple[str, ...] = ()
    int16_rows: tuple[str, ...] = ()
    min_runtime: str | None = None


@dataclass(frozen=True)
class BuildJob:
    """Make every conversion in `folder`, and model.keras where `keras` says so."""

    network: Network
    conversions: tuple[Conversion, ...]
    folder: str
    weights: str | None
    keras: bool
    task: str = "build"


@dataclass(frozen=True)
class ImportJob:
    """Match the tensors of `source` to the network and write them to `out`, a Keras .weights.h5."""

    network: Network
    source: str
    out: str
    maps: tuple[str, ...]
    task: str = "import"


def encode(job: BuildJob | ImportJob) -> str:
    return json.dumps(asdict(job))


def decode(text: str | bytes) -> BuildJob | ImportJob:
    """The job that `encode` wrote."""
    data: dict[str, Any] = json.loads(text)
    lists = {name: tuple(data["network"][name]) for name in ("blocks", "outputs", "settings")}
    network = Network(**{**data["network"], **lists})
    if data["task"] == "import":
        return ImportJob(network, data["source"], data["out"], tuple(data["maps"]))
    several = ("outputs", "float_rows", "int16_rows", "abis")
    conversions = tuple(Conversion(**{**c, **{key: tuple(c[key]) for key in several}}) for c in data["conversions"])
    return BuildJob(network, conversions, data["folder"], data["weights"], data["keras"])
