"""A spec to a folder of artifacts: model.keras, a .tflite for each ABI, and the manifest that says what they are."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from archspec import calibration, jobs, manifest
from archspec.abi import golden
from archspec.budget import exceeded
from archspec.deliver.android import FOLDER as APP
from archspec.deliver.labels import FILE as LABELS
from archspec.deliver.labels import labels_text
from archspec.delivery import app_files, contract_of
from archspec.failures import Failure, row_named_in
from archspec.files import reason, write_all
from archspec.order import Order, Say, save_images
from archspec.photo import InputContract
from archspec.process import Ended, JobError, because, complaint, worker
from archspec.spec import ABIS

FILE = "model.tflite"  # of every ABI, in a folder of its own


@dataclass
class _Work:
    """Alive inside `build` only: what is made and what has failed, by the conversions' keys, and over budget by ABI."""

    order: Order
    say: Say
    facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    over: dict[str, Failure] = field(default_factory=dict)  # by ABI: over budget

    @property
    def left(self) -> tuple[jobs.Conversion, ...]:
        return tuple(c for c in self.order.conversions if c.key not in self.facts and c.key not in self.failed)


def build(order: Order, say: Say) -> tuple[dict[str, Any], list[Failure]]:
    """Build all that `order` asks for; the manifest as written, and what failed. Raises JobError, OSError.

    A conversion that aborts its process fails alone: the others go on in a new process. The folder's files are
    replaced once all of the new ones lie on its disk; an artifact of an earlier build that is not of this one goes.
    """
    _check_folder(order.folder)
    work = _Work(order, say)
    try:
        with tempfile.TemporaryDirectory(prefix="archspec-") as scratch:
            save_images(order, Path(scratch))
            _convert(work, scratch)
            _hold_to_budgets(work, Path(scratch))
            made = {key: (Path(scratch) / key).read_bytes() for key in (jobs.KERAS, *work.facts)}
            replayed = _golden(work, Path(scratch))
    except OSError as error:
        raise JobError(f"cannot work in {tempfile.gettempdir()}: {reason(error)}") from error
    return _write(work, made, replayed), [*work.failed.values(), *work.over.values()]


def _check_folder(folder: Path) -> None:
    """Raise the OSError that writing would end with, before the work is done."""
    there = next(f for f in (folder, *folder.parents) if f.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "no permission to write", str(there))


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


def _hold_to_budgets(work: _Work, scratch: Path) -> None:
    """Fail the targets whose files cost more than they may; another target may serve the same file."""
    targets = work.order.network.graph.head.targets
    for conversion in work.order.conversions:
        for abi in conversion.abis if conversion.key in work.facts else ():
            contract = calibration.input_entry(work.order.networks[conversion.variant].graph.head.input)
            facts = work.facts[conversion.key]
            over = exceeded(targets[abi].budget, abi, scratch / conversion.key, facts, contract)
            if over:
                work.over[abi] = Failure((abi,), conversion.scheme, f"over budget: {'; '.join(over)}", None)


def _golden(work: _Work, scratch: Path) -> bytes:
    """The images that `archspec verify` replays, and what the float model answers to them."""
    order = work.order
    answers: dict[str | None, golden.Arrays] = {}
    for conversion in order.conversions:
        if conversion.key in work.facts:
            told = golden.unpacked((scratch / conversion.answers).read_bytes())
            answers.setdefault(conversion.variant, {}).update(told)
    kept: golden.Arrays = {}
    for variant, told in answers.items():
        contract = calibration.input_entry(order.networks[variant].graph.head.input)
        kept |= golden.stored(order.networks[variant].variant, contract, order.calibrations[variant].images, told)
    return golden.packed(kept)


def _write(work: _Work, made: Mapping[str, bytes], replayed: bytes) -> dict[str, Any]:
    """Write all files, the manifest last, and remove artifacts of an earlier build that are not of this one."""
    order, folder = work.order, work.order.folder
    entries: list[dict[str, Any]] = []
    served: dict[str, bytes] = {}
    contracts: dict[str, InputContract | None] = {}
    files: dict[Path | str, bytes | str] = {folder / jobs.KERAS: made[jobs.KERAS]}
    for conversion in order.conversions:
        for abi in (a for a in conversion.abis if conversion.key in work.facts and a not in work.over):
            files[folder / abi / FILE] = served[abi] = made[conversion.key]
            contracts[abi] = contract_of(order.networks[conversion.variant].graph.head)
            made_of, images = order.networks[conversion.variant], order.calibrations[conversion.variant]
            facts = work.facts[conversion.key]
            entries.append(manifest.artifact(abi, f"{abi}/{FILE}", conversion, made_of, images, facts))
    failed = [
        {"abi": abi, "scheme": f.scheme, "reason": f.reason, "row": f.row}
        for f in (*work.failed.values(), *work.over.values())
        for abi in f.abis
    ]
    written = manifest.make(order.network, order.source, order.weights, entries, failed, replayed)
    labels = next((c.labels for c in order.conversions if c.labels), ())
    if labels:
        files[folder / LABELS] = labels_text(labels)
    in_app = app_files(order.network.graph.head, served, contracts, labels, work.say)
    files |= {folder / path: content for path, content in in_app.items()}
    files[folder / golden.NAME] = replayed
    files[folder / manifest.NAME] = manifest.text(written)
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    write_all(files)
    _remove_others(folder, files)
    return written


def _remove_others(folder: Path, files: Mapping[Path | str, bytes | str]) -> None:
    """Remove what an earlier build left and this one does not have."""
    old = [folder / abi / FILE for abi in ABIS] + [folder / LABELS]
    old += [path for path in (folder / APP).rglob("*") if path.is_file()]
    for path in old:
        if path not in files:
            with suppress(OSError):
                path.unlink()
                for parent in list(path.relative_to(folder).parents)[:-1]:
                    (folder / parent).rmdir()
