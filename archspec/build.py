"""A spec to a folder of artifacts: model.keras, a .tflite for each ABI, and the manifest that says what they are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from archspec import jobs, manifest
from archspec.analysis import Network
from archspec.artifact import ArtifactError, inspect_tflite, run_tflite
from archspec.calibration import Calibration
from archspec.files import write_whole
from archspec.graph import Graph
from archspec.process import last_line, worker

COMPARED = 20  # images on which an artifact is held against the float model

Say = Callable[[str], None]


class BuildError(Exception):
    """Nothing could be built; says why."""


@dataclass(frozen=True)
class Order:
    """What to build: the network, the targets' conversions with their graphs, weights, calibration, the folder."""

    network: Network
    source: jobs.Network
    conversions: tuple[jobs.Conversion, ...]
    graphs: Mapping[str | None, Graph]
    weights: manifest.Weights | None
    calibration: Calibration
    folder: Path


@dataclass(frozen=True)
class Failure:
    """A target that could not be built: the reason, and the row where it can be known."""

    abis: tuple[str, ...]
    scheme: str
    reason: str
    row: str | None


@dataclass(frozen=True)
class Made:
    """A conversion that was built and looked through."""

    conversion: jobs.Conversion
    data: bytes
    facts: dict[str, Any]


def plan(targets: Mapping[str, Any], variant: str | None) -> tuple[jobs.Conversion, ...]:
    """One conversion for each scheme and variant that the targets ask for. A variant of the caller's own wins."""
    abis: dict[tuple[str, str | None], list[str]] = {}
    for abi, target in targets.items():
        abis.setdefault((target.quantize, variant or target.variant), []).append(abi)
    # float first: it is the quickest, and its kernels are warm for the comparison
    chosen = sorted(abis.items(), key=lambda item: item[0][0] != "none")
    return tuple(
        jobs.Conversion(f"{i}.tflite", scheme, which, tuple(served)) for i, ((scheme, which), served) in enumerate(chosen)
    )


def build(order: Order, say: Say) -> tuple[dict[str, Any], list[Failure]]:
    """Build all that `order` asks for; the manifest as written, and what failed. Raises BuildError, OSError.

    A conversion that aborts its process fails alone: the others go on in a new process.
    """
    with tempfile.TemporaryDirectory(prefix="archspec-") as scratch, ThreadPoolExecutor(1) as pool:
        calibration = Path(scratch) / "calibration.npy"
        np.save(calibration, order.calibration.images)
        job = jobs.BuildJob(
            order.source, order.conversions, scratch, str(calibration), order.weights and order.weights.path, True
        )
        made, failed = _convert(order, job, pool, say)
        keras = Path(scratch) / "model.keras"
        if not keras.exists():
            raise BuildError(failed[0].reason if failed else "the network could not be lowered")
        order.folder.mkdir(parents=True, exist_ok=True)
        write_whole(order.folder / "model.keras", keras.read_bytes())
    for one in made:
        for abi in one.conversion.abis:
            (order.folder / abi).mkdir(exist_ok=True)
            write_whole(order.folder / abi / "model.tflite", one.data)
    written = manifest.make(order.network, order.source, order.weights, order.calibration, [
        {"abi": abi, "file": f"{abi}/model.tflite", "variant": one.conversion.variant, "scheme": one.conversion.scheme,
         **one.facts}
        for one in made for abi in one.conversion.abis
    ], [{"abi": abi, "scheme": f.scheme, "reason": f.reason, "row": f.row} for f in failed for abi in f.abis])  # fmt: skip
    write_whole(order.folder / "manifest.json", manifest.text(written))
    return written, failed


def _convert(
    order: Order, job: jobs.BuildJob, pool: ThreadPoolExecutor, say: Say
) -> tuple[list[Made], list[Failure]]:
    """Run workers until every conversion is made or has failed."""
    looking: dict[str, Future[Made]] = {}
    failed: list[Failure] = []
    by_key = {c.key: c for c in job.conversions}
    while True:
        done: set[str] = set()
        at = ""
        with worker(job) as (events, ended):
            for event in events:
                at = str(event.get("key", at))
                if event["event"] == "started" and at in by_key:
                    say(f"converting for {', '.join(by_key[at].abis)} ({by_key[at].scheme})")
                elif event["event"] == "made":
                    done.add(at)
                    looking[at] = pool.submit(_look, by_key[at], Path(job.folder))
                elif event["event"] in ("refused", "failed"):
                    done.add(at)
                    if at not in by_key:
                        raise BuildError(str(event["reason"]))
                    failed.append(_failure(order, by_key[at], str(event["reason"])))
        if ended[0].how is None:
            break
        if at not in by_key:
            raise BuildError(f"{ended[0].how}: {last_line(ended[0].log)}")
        if at not in done:
            done.add(at)
            failed.append(_failure(order, by_key[at], ended[0].how, ended[0].log))
        left = tuple(c for c in job.conversions if c.key not in done)
        if not left:
            break
        job = replace(job, conversions=left, keras=False)
    return _looked(order, looking, by_key, failed), failed


def _looked(
    order: Order, looking: Mapping[str, Future[Made]], by_key: Mapping[str, jobs.Conversion], failed: list[Failure]
) -> list[Made]:
    made = []
    for key, future in looking.items():
        try:
            one = future.result()
        except ArtifactError as error:
            failed.append(_failure(order, by_key[key], str(error)))
            continue
        if by_key[key].scheme == "int8" and one.facts["float_islands"]:
            island = one.facts["float_islands"][0]
            reason = f"not int8: {island['op']} handles floats at {island['tensor']}"
            failed.append(_failure(order, by_key[key], reason))
            continue
        made.append(one)
    return made


def _look(conversion: jobs.Conversion, scratch: Path) -> Made:
    """What is in a converted file, and how far its answers are from the float model's. Raises ArtifactError."""
    data = (scratch / conversion.key).read_bytes()
    artifact = inspect_tflite(data)
    images = np.load(scratch / "calibration.npy", allow_pickle=False)[:COMPARED]
    with np.load(scratch / f"{conversion.key}.npz", allow_pickle=False) as archive:
        reference = {name: archive[name][:COMPARED] for name in archive.files}
    return Made(conversion, data, manifest.facts(artifact, run_tflite(data, images), reference))


def _failure(order: Order, conversion: jobs.Conversion, reason: str, log: str = "") -> Failure:
    row = row_named_in(f"{reason}\n{log}", order.graphs[conversion.variant])
    return Failure(conversion.abis, conversion.scheme, " ".join(reason.split())[:1000], row)


def row_named_in(text: str, graph: Graph) -> str | None:
    """The row whose layer a converter's message names: the one named last, the longest name where one holds another."""
    best: tuple[int, int, str] | None = None
    for row, node in graph.row_of():
        at = text.rfind(node.name)
        if at >= 0 and (best is None or (at, len(node.name)) > best[:2]):
            best = (at, len(node.name), row.name)
    return best[2] if best else None


def report(failures: Sequence[Failure]) -> list[str]:
    """A line for each failure, as people read it."""
    return [
        f"{', '.join(f.abis)} ({f.scheme}){f', row `{f.row}`' if f.row else ''}: {f.reason}" for f in failures
    ]
