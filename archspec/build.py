"""A spec to a folder of artifacts: model.keras, a .tflite for each ABI, and the manifest that says what they are."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from archspec import calibration, jobs, manifest
from archspec.analysis import Document, Network, network
from archspec.calibration import Calibration
from archspec.cost import cost
from archspec.failures import Failure, row_named_in
from archspec.files import reason, write_all
from archspec.graph import cut
from archspec.passes import PLAIN, fold_batch_norm, form_for
from archspec.process import Ended, JobError, because, complaint, worker
from archspec.spec import ABIS, CALIBRATED, Target

FILE = "model.tflite"  # of every ABI, in a folder of its own

Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What to build: the network, the conversions of its targets, weights, the folder.

    `networks` and `calibrations` hold what the conversions need, by variant.
    """

    network: Network
    source: jobs.Network
    conversions: tuple[jobs.Conversion, ...]
    networks: Mapping[str | None, Network]
    calibrations: Mapping[str | None, Calibration]
    weights: manifest.Weights | None
    folder: Path


@dataclass
class _Work:
    """Alive inside `build` only: what is made and what has failed, by the conversions' keys."""

    order: Order
    say: Say
    facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)

    @property
    def left(self) -> tuple[jobs.Conversion, ...]:
        return tuple(c for c in self.order.conversions if c.key not in self.facts and c.key not in self.failed)


def plan(
    networks: Mapping[str | None, Network], targets: Mapping[str, Target], source: jobs.Network, passes: bool
) -> tuple[jobs.Conversion, ...]:
    """One conversion for all targets that ask for the same file. A variant or outputs of the caller's own win.

    `networks` holds those of the targets by variant. Without `passes` they are converted in the form they have.
    """
    asked: dict[jobs.Conversion, list[str]] = {}
    for abi, target in targets.items():
        variant, outputs = source.variant or target.variant, () if source.outputs else target.outputs
        graph = networks[variant].graph
        conversion = jobs.Conversion(
            key="",
            scheme=target.quantize,
            border=target.border,
            variant=variant,
            abis=(),
            images="",
            form=form_for(abi, cut(graph, outputs) if outputs else graph) if passes else PLAIN,
            outputs=outputs,
            float_rows=target.float_rows,
            int16_rows=target.int16_rows,
            min_runtime=target.min_runtime,
        )
        asked.setdefault(conversion, []).append(abi)
    variants = list(dict.fromkeys(c.variant for c in asked))
    chosen = sorted(asked.items(), key=lambda item: item[0].scheme != "none")  # float first: it is the quickest
    return tuple(
        replace(c, key=f"{i}.tflite", abis=tuple(served), images=f"{variants.index(c.variant)}.npy")
        for i, (c, served) in enumerate(chosen)
    )


def order(
    doc: Document, source: jobs.Network, weights: Path | None, out: Path, pictures: Path | None, say: Say,
    *, passes: bool = True,
) -> Order:  # fmt: skip
    """What a spec's targets ask for, below the folder `out`. `pictures` is a folder of them, to calibrate on.

    Without `passes` networks are not brought into a form for deployment. Raises SpecError, CalibrationError, and
    OSError where there are no such weights.
    """
    main = _network(doc, source.variant, source.folded)
    targets = main.graph.head.targets
    digest = manifest.weights_at(weights) if weights else None
    variants = dict.fromkeys(source.variant or target.variant for target in targets.values())
    networks = {which: main if which == source.variant else _network(doc, which, source.folded) for which in variants}
    conversions = plan(networks, targets, source, passes)
    integer = {c.variant for c in conversions if c.scheme in CALIBRATED}
    calibrations = {
        variant: calibration.choose(one.graph.head.input, pictures, weights is not None and variant in integer, say)
        for variant, one in networks.items()
    }
    return Order(main, source, conversions, networks, calibrations, digest, out / main.graph.head.model)


def _network(doc: Document, variant: str | None, folded: bool) -> Network:
    """The network as it is built. Raises SpecError."""
    one = network(doc, variant)
    graph = fold_batch_norm(one.graph) if folded else one.graph
    return replace(one, graph=graph, cost=cost(graph)) if folded else one


def build(order: Order, say: Say) -> tuple[dict[str, Any], list[Failure]]:
    """Build all that `order` asks for; the manifest as written, and what failed. Raises JobError, OSError.

    A conversion that aborts its process fails alone: the others go on in a new process. The folder's files are
    replaced once all of the new ones lie on its disk; an artifact of an earlier build that is not of this one goes.
    """
    _check_folder(order.folder)
    work = _Work(order, say)
    try:
        with tempfile.TemporaryDirectory(prefix="archspec-") as scratch:
            _save_images(order, Path(scratch))
            _convert(work, scratch)
            made = {key: (Path(scratch) / key).read_bytes() for key in (jobs.KERAS, *work.facts)}
    except OSError as error:
        raise JobError(f"cannot work in {tempfile.gettempdir()}: {reason(error)}") from error
    return _write(work, made), list(work.failed.values())


def _check_folder(folder: Path) -> None:
    """Raise the OSError that writing would end with, before the work is done."""
    there = next(f for f in (folder, *folder.parents) if f.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "no permission to write", str(there))


def _save_images(order: Order, scratch: Path) -> None:
    for conversion in order.conversions:
        np.save(scratch / conversion.images, order.calibrations[conversion.variant].images)


def _convert(work: _Work, scratch: str) -> None:
    """Run workers until every conversion is made or has failed. Raises JobError where model.keras cannot be made."""
    order = work.order
    weights = order.weights.path if order.weights else None
    job = jobs.BuildJob(order.source, order.conversions, scratch, weights, True)
    while True:
        at, ended = _run(work, job)
        # a worker that came to its end left nothing; else it was at one, or died before it was at any
        for conversion in [c for c in work.left if c.key == at] or work.left:
            _fail(work, conversion, because(ended), ended.log)
        if not work.left:
            return
        job = replace(job, conversions=work.left, keras=False)


def _run(work: _Work, job: jobs.BuildJob) -> tuple[str, Ended]:
    """Run one worker to its end; what it was at then."""
    by_key = {c.key: c for c in job.conversions}
    at, keras = "", not job.keras
    with worker(job) as told:
        for event in told:
            if isinstance(event, Ended):
                if not keras:
                    raise JobError(because(event))
                return at, event
            at = str(event["key"])
            keras |= event["event"] == "made"
            if at in by_key:
                _note(work, by_key[at], event)
            elif event["event"] in ("refused", "failed"):
                row = row_named_in(str(event["reason"]), work.order.network.graph)
                raise JobError(f"row `{row}`: {complaint(event)}" if row else complaint(event))
    raise AssertionError("a worker's events end with how it ended")


def _note(work: _Work, conversion: jobs.Conversion, event: jobs.Event) -> None:
    if event["event"] == "started":
        work.say(f"converting for {', '.join(conversion.abis)} ({conversion.scheme})")
    elif event["event"] == "made":
        work.facts[conversion.key] = event["facts"]
    else:
        _fail(work, conversion, complaint(event), f"{event['reason']}\n{event.get('log', '')}")


def _fail(work: _Work, conversion: jobs.Conversion, why: str, log: str) -> None:
    row = row_named_in(log, work.order.networks[conversion.variant].graph)
    work.failed[conversion.key] = Failure(conversion.abis, conversion.scheme, why, row)


def _write(work: _Work, made: Mapping[str, bytes]) -> dict[str, Any]:
    """Write all files, the manifest last, and remove artifacts of an earlier build that are not of this one."""
    order, folder = work.order, work.order.folder
    entries: list[dict[str, Any]] = []
    files: dict[Path | str, bytes | str] = {folder / jobs.KERAS: made[jobs.KERAS]}
    for conversion in order.conversions:
        for abi in conversion.abis if conversion.key in work.facts else ():
            files[folder / abi / FILE] = made[conversion.key]
            made_of, images = order.networks[conversion.variant], order.calibrations[conversion.variant]
            facts = work.facts[conversion.key]
            entries.append(manifest.artifact(abi, f"{abi}/{FILE}", conversion.scheme, made_of, images, facts))
    failed = [
        {"abi": abi, "scheme": f.scheme, "reason": f.reason, "row": f.row}
        for f in work.failed.values()
        for abi in f.abis
    ]
    written = manifest.make(order.network, order.source, order.weights, entries, failed)
    files[folder / manifest.NAME] = manifest.text(written)
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    write_all(files)
    for abi in ABIS:
        if folder / abi / FILE not in files:
            with suppress(OSError):
                (folder / abi / FILE).unlink()
                (folder / abi).rmdir()
    return written
