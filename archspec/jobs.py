"""What the command line asks of a worker process, and what the worker tells it: JSON, one line each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from archspec.spec import Nms

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
    form it is deployed in (see `passes`), `labels` what the units of its classes' output are called, `nms` what becomes
    of boxes before they come out.
    `images` is an .npy beside it: the variant's calibration images, in model units.
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
    labels: tuple[str, ...] = ()
    nms: Nms | None = None

    @property
    def answers(self) -> str:
        """The file of what the float model answers to the first images, see abi/golden.py."""
        return f"{self.key}.npz"


@dataclass(frozen=True)
class BuildJob:
    """Make every conversion in `folder`, the float model's answers beside it, and model.keras where `keras` says so."""

    network: Network
    conversions: tuple[Conversion, ...]
    folder: str
    weights: str | None
    keras: bool
    task: str = "build"


@dataclass(frozen=True)
class RankJob:
    """Rank the rows of the only conversion of `build` by the error that each adds.

    Where there is a `most`, find the rows to be kept in float for an error of at most that.
    """

    build: BuildJob
    most: float | None = None
    task: str = "rank"


@dataclass(frozen=True)
class ImportJob:
    """Match the tensors of `source` to the network and write them to `out`, a Keras .weights.h5."""

    network: Network
    source: str
    out: str
    maps: tuple[str, ...]
    task: str = "import"


@dataclass(frozen=True)
class TrainJob:
    """Train a network by its recipe. What a run leaves goes to `folder`; paths of the recipe count from `root`.

    `weights` is a file to begin with, `resume` continues from the run's last state. Of `workers` processes this is
    number `worker`; each drives `devices` devices.
    """

    network: Network
    folder: str
    root: str
    weights: str | None = None
    resume: bool = False
    worker: int = 0
    workers: int = 1
    devices: int = 1
    task: str = "train"


Job = BuildJob | ImportJob | RankJob | TrainJob


def encode(job: Job) -> str:
    return json.dumps(asdict(job))


def decode(text: str | bytes) -> Job:
    """The job that `encode` wrote."""
    return _decoded(json.loads(text))


def _decoded(data: dict[str, Any]) -> Job:
    if data["task"] == "rank":
        build = _decoded(data["build"])
        assert isinstance(build, BuildJob)
        return RankJob(build, data["most"])
    lists = {name: tuple(data["network"][name]) for name in ("blocks", "outputs", "settings")}
    network = Network(**{**data["network"], **lists})
    if data["task"] == "train":
        return TrainJob(**{**data, "network": network})
    if data["task"] == "import":
        return ImportJob(network, data["source"], data["out"], tuple(data["maps"]))
    several = ("outputs", "float_rows", "int16_rows", "abis", "labels")
    conversions = tuple(
        Conversion(**{**c, **{key: tuple(c[key]) for key in several}, "nms": Nms(**c["nms"]) if c["nms"] else None})
        for c in data["conversions"]
    )
    return BuildJob(network, conversions, data["folder"], data["weights"], data["keras"])
