"""Replays golden inputs on every ABI of a build, and writes into its manifest what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec import manifest
from archspec.abi import AbiError, compare, golden
from archspec.abi.compare import Difference
from archspec.abi.cpus import CPUS, Cpu
from archspec.abi.run import HOST, Answers, Place, emulated, host, run
from archspec.abi.setup import installed
from archspec.artifact import ArtifactError, TensorInfo, inspect_tflite
from archspec.files import write_whole

Say = Callable[[str], None]
Asked = dict[tuple[str, Place], Answers | str]


@dataclass(frozen=True)
class Artifact:
    """A built file as the manifest has it, with golden images, those as it takes them, and its outputs and ops."""

    abi: str
    scheme: str
    file: Path
    sha256: str
    contract: Mapping[str, Any]
    images: NDArray[np.float32]
    fed: NDArray[Any]
    outputs: tuple[TensorInfo, ...]
    ops: frozenset[str]

    @property
    def named(self) -> str:
        return f"{self.abi} ({self.scheme})"


@dataclass(frozen=True)
class Result:
    """What one artifact did at one place, held against the golden answers.

    Of an emulated CPU `closest` names this machine's kernels whose answers are most like it, and `closest_identical`
    is the share of values that are theirs. `bound_lsb` is None where integers are only measured. `failed` says why
    there is no answer.
    """

    abi: str
    scheme: str
    cpu: str
    kernels: str
    difference: Difference | None
    closest: str | None
    closest_identical: float | None
    bound_lsb: int | None
    failed: str | None

    @property
    def good(self) -> bool:
        return self.difference is not None and compare.in_bounds(self.difference, self.bound_lsb)


def verify(folder: Path, cache: Path, cpus: Sequence[str], max_lsb: int | None, say: Say) -> list[Result]:
    """Run every artifact of `folder` on this machine and on its ABI's CPUs; `cpus` are run besides the standard ones.

    Golden images and answers that are not stored yet are stored. `max_lsb` bounds integers where equal bits
    cannot be had, see `compare.bound`. Raises AbiError, OSError.
    """
    written = _manifest(folder)
    file = folder / golden.NAME
    stored = golden.read(file)
    artifacts = [_artifact(folder, entry, stored) for entry in written["artifacts"]]
    if not artifacts:
        raise AbiError(f"{folder}: the build holds no artifact")
    emulators = _emulators(artifacts, cache, cpus)
    kept: golden.Arrays = {}
    asked: Asked = {}
    results: list[Result] = []
    for artifact in artifacts:
        places = [*map(host, HOST), *(emulated(cpu, cache) for cpu in emulators[artifact.abi])]
        answered = {place: _ask(artifact, place, asked, say) for place in places}
        wanted = _golden(artifact, answered[places[0]], stored, kept, say)
        results += _results(artifact, answered, wanted, max_lsb)
    if set(kept) != set(stored):
        write_whole(file, golden.packed(kept))
        say(f"stored {file}: images, and the answers of this machine to them, for later runs")
    written["verified"] = _record(file, artifacts, cache, results)
    write_whole(folder / manifest.NAME, manifest.text(written))
    return results


def _manifest(folder: Path) -> dict[str, Any]:
    file = folder / manifest.NAME
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(written["artifacts"], list) and isinstance(written["model"], str):
            return dict(written)
    except FileNotFoundError:
        raise AbiError(f"{folder}: no {manifest.NAME} in it; name a folder that `archspec build` has made") from None
    except (ValueError, KeyError, TypeError):
        pass
    raise AbiError(f"{file} is no manifest of a build")


def _artifact(folder: Path, entry: Mapping[str, Any], stored: golden.Arrays) -> Artifact:
    try:
        abi, scheme, contract, file = str(entry["abi"]), entry["scheme"], entry["input"], folder / entry["file"]
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise AbiError(f"{file} is not the file that was built: its digest is another")
        taken = inspect_tflite(data)
        images = stored.get(golden.images_key(contract))
        if images is None:
            images = golden.make_images(contract)
    except ArtifactError as error:
        raise AbiError(f"{file}: {error}") from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise AbiError(f"{folder / manifest.NAME} is no manifest of a build") from error
    if len(taken.inputs) != 1 or images.shape[1:] != taken.inputs[0].shape[1:]:
        raise AbiError(f"{file} does not take the input that the manifest or {golden.NAME} says")
    fed = golden.as_fed(images, taken.inputs[0])
    ops = frozenset(use.op for use in taken.ops)
    return Artifact(abi, scheme, file, taken.sha256, contract, images, fed, taken.outputs, ops)


def _emulators(artifacts: Sequence[Artifact], cache: Path, more: Sequence[str]) -> dict[str, list[Cpu]]:
    """The CPUs to emulate for each ABI. Raises AbiError where they are not set up."""
    needed = {a.abi: [c for c in CPUS.values() if c.abi == a.abi and (c.standard or c.name in more)] for a in artifacts}
    if any(needed.values()) and not installed(cache):
        raise AbiError(f"nothing is set up in {cache} to run ARM code; `archspec setup-abi` does it")
    return needed


def _ask(artifact: Artifact, place: Place, asked: Asked, say: Say) -> Answers | str:
    """The answers of an artifact at a place, or why there are none; asked once for files that are the same."""
    key = (artifact.sha256, place)
    if key not in asked:
        say(f"{artifact.named}: {len(artifact.fed)} images on {place.cpu}, {place.kernels} kernels")
        try:
            asked[key] = run(place, artifact.file, artifact.fed, artifact.outputs)
        except AbiError as error:
            asked[key] = str(error)
    return asked[key]


def _golden(
    artifact: Artifact, first: Answers | str, stored: golden.Arrays, kept: golden.Arrays, say: Say
) -> Answers:  # fmt: skip
    """The golden answers to an artifact: those stored, else `first`. What is to be stored goes to `kept`."""
    if isinstance(first, str):
        raise AbiError(f"{artifact.named} on this machine: {first}")
    keys = {info.name: golden.answer_key(artifact.sha256, info.name) for info in artifact.outputs}
    wanted = {name: stored.get(key, first[name]) for name, key in keys.items()}
    if any(wanted[name].shape != first[name].shape or wanted[name].dtype != first[name].dtype for name in keys):
        raise AbiError(f"{golden.NAME} holds answers of another shape; without it the next run stores another one")
    for name in compare.constant(wanted):
        say(f"warning: {artifact.named}: output {name} is the same everywhere, which proves little")
    kept[golden.images_key(artifact.contract)] = artifact.images
    kept.update({keys[name]: answer for name, answer in wanted.items()})
    return wanted


def _results(
    artifact: Artifact, answered: Mapping[Place, Answers | str], wanted: Answers, max_lsb: int | None
) -> list[Result]:
    own = {p.kernels: got for p, got in answered.items() if p.cpu not in CPUS and not isinstance(got, str)}
    spread = max(compare.difference(got, wanted).max_lsb or 0 for got in own.values())
    results = []
    for place, got in answered.items():
        bound = compare.bound(place.cpu, place.kernels, artifact.ops, spread, max_lsb)
        at = (artifact.abi, artifact.scheme, place.cpu, place.kernels)
        if isinstance(got, str):
            results.append(Result(*at, None, None, None, bound, got))
            continue
        closest, share = None, None
        if place.cpu in CPUS:
            share, closest = max((compare.difference(got, one).identical, kernels) for kernels, one in own.items())
        results.append(Result(*at, compare.difference(got, wanted), closest, share, bound, None))
    return results


def _record(file: Path, artifacts: Sequence[Artifact], cache: Path, results: Sequence[Result]) -> dict[str, Any]:
    """What the manifest says of a verification; `file` holds the golden images and answers."""
    setup = installed(cache) or {}
    return {
        "golden": {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
        "images": max((len(a.images) for a in artifacts), default=0),
        "runtimes": setup.get("runtimes", {}),
        "emulator": next((p for p in setup.get("packages", ()) if p.startswith("qemu-user ")), None),
        "good": all(result.good for result in results),
        "results": [{**asdict(result), "good": result.good} for result in results],
    }
