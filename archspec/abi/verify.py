"""Replays the golden images of a build on every ABI, and writes into its manifest what came of it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from archspec import manifest
from archspec.abi import AbiError, compare, opwise, rowwise
from archspec.abi.built import Artifact, read_artifact, read_golden, read_manifest
from archspec.abi.compare import Bound, Difference, FloatDifference
from archspec.abi.cpus import CPUS, Cpu
from archspec.abi.opwise import Ops
from archspec.abi.rowwise import Row
from archspec.abi.run import HOST, Answers, Place, emulated, host, run
from archspec.abi.setup import installed, require
from archspec.files import write_whole
from archspec.nms.tail import SCORES

Say = Callable[[str], None]
Asked = dict[tuple[str, Place], Answers | str]
Remote = tuple[str, Place]
REFERENCE = host("reference")


@dataclass(frozen=True)
class Result:
    """What one artifact did at one place, held against this machine's XNNPACK and against the float model.

    Of another CPU `closest` names this machine's kernels whose answers are most like it, and `closest_identical` is the
    share of values that are theirs. `bound` is None where answers are only measured. `ops` and `rows` are there for
    builtin kernels and quantized files. `failed` says why there is no answer.
    """

    abi: str
    scheme: str
    cpu: str
    kernels: str
    difference: Difference | None
    from_float: FloatDifference | None
    closest: str | None
    closest_identical: float | None
    bound: Bound | None
    ops: Ops | None
    rows: tuple[Row, ...]
    failed: str | None

    @property
    def good(self) -> bool:
        within = self.difference is not None and (self.bound is None or self.bound.holds(self.difference))
        return within and (self.ops is None or self.ops.good)

    def entry(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "good": self.good}


def verify(
    folder: Path, cache: Path, cpus: Sequence[str], max_lsb: int | None, say: Say, remote: Remote | None = None
) -> list[Result]:  # fmt: skip
    """Run every artifact of `folder` on this machine and on its ABI's CPUs; `cpus` are run besides the standard ones.

    `remote` is an ABI and a machine of it, on which its artifacts are run besides. `max_lsb` bounds the integers of
    whole files where equal bits cannot be had, see `compare.bound`. Raises AbiError, OSError.
    """
    written = read_manifest(folder)
    file, stored = read_golden(folder, written)
    artifacts = [read_artifact(folder, entry, stored) for entry in written["artifacts"]]
    if not artifacts:
        raise AbiError(f"{folder}: the build holds no artifact")
    if remote and remote[0] not in (artifact.abi for artifact in artifacts):
        raise AbiError(f"the build holds no artifact for {remote[0]}, which is what {remote[1].cpu} runs")
    emulators = _emulators(artifacts, cache, cpus)
    asked: Asked = {}
    results: list[Result] = []
    for artifact in artifacts:
        places = [emulated(cpu, cache) for cpu in emulators[artifact.abi]]
        places += [remote[1]] if remote and remote[0] == artifact.abi else []
        results += _results(artifact, places, asked, max_lsb, say)
    written["verified"] = _record(file, artifacts, cache, results)
    write_whole(folder / manifest.NAME, manifest.text(written))
    return results


def _emulators(artifacts: Sequence[Artifact], cache: Path, more: Sequence[str]) -> dict[str, list[Cpu]]:
    """The CPUs to emulate for each ABI. Raises AbiError where they are not set up."""
    needed = {a.abi: [c for c in CPUS.values() if c.abi == a.abi and (c.standard or c.name in more)] for a in artifacts}
    if any(needed.values()):
        require(cache)
    return needed


# --- verifying


def _results(
    artifact: Artifact, places: Sequence[Place], asked: Asked, max_lsb: int | None, say: Say
) -> list[Result]:  # fmt: skip
    """What an artifact does on this machine and at `places`."""
    here = {place: _ask(artifact, place, asked, say) for place in map(host, HOST)}
    own = {place.kernels: got for place, got in here.items() if not isinstance(got, str)}
    if "XNNPACK" not in own:
        raise AbiError(f"{artifact.named} on this machine: {next(iter(here.values()))}")
    if isinstance(lacking := here[REFERENCE], str):
        say(f"{artifact.named}: not measured by the reference kernels of this machine, which lack an op: {lacking}")
        del here[REFERENCE]
    wanted = own["XNNPACK"]
    # where boxes come out their number and their class may well be the same
    for name in compare.constant(wanted if artifact.floats else {SCORES: wanted[SCORES]}):
        say(f"warning: {artifact.named}: output {name} is the same everywhere, which proves little")
    spread = compare.widest(compare.difference(got, wanted) for got in own.values())
    results = []
    for place, got in {**here, **{place: _ask(artifact, place, asked, say) for place in places}}.items():
        bound = compare.bound(place in here, place.kernels, artifact.exactness, artifact.ops, spread, max_lsb)
        result = _result(artifact, place, got, own, bound)
        if place not in here and _doubtful(artifact, place, result):
            result = _with_ops(artifact, place, result, say)
        results.append(result)
    return results


def _doubtful(artifact: Artifact, place: Place, result: Result) -> bool:
    """Whether ops are to be run by themselves: to hold builtin kernels to them, or to find the one that fails."""
    if place.kernels == "builtin":
        return artifact.scheme not in compare.FLOATS or not result.good
    return result.failed is not None


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


def _result(
    artifact: Artifact, place: Place, got: Answers | str, own: Mapping[str, Answers], bound: Bound | None
) -> Result:  # fmt: skip
    at = (artifact.abi, artifact.scheme, place.cpu, place.kernels)
    if isinstance(got, str):
        return Result(*at, None, None, None, None, bound, None, (), got)
    closest, share = None, None
    if place.cpu != host(place.kernels).cpu:
        share, closest = max((compare.difference(got, one).identical, kernels) for kernels, one in own.items())
    floats = compare.from_float(got, artifact.outputs, artifact.floats) if artifact.floats else None
    return Result(*at, compare.difference(got, own["XNNPACK"]), floats, closest, share, bound, None, (), None)


def _with_ops(artifact: Artifact, place: Place, result: Result, say: Say) -> Result:
    """A result with the ops by themselves, and the rows where the whole has an answer."""
    say(f"{artifact.named}: op by op on {place.cpu}")
    limit = compare.OP if place.kernels == "builtin" else compare.ANY
    with tempfile.TemporaryDirectory(prefix="archspec-") as scratch:
        try:
            parts = opwise.take_apart(artifact.data, artifact.fed[:1], artifact.rows, Path(scratch))
            ops = opwise.judged(parts, opwise.by_itself(place, parts), limit)
            rows = () if result.failed or ops.failed else rowwise.by_row(place, parts)
        except AbiError as error:
            return replace(result, failed=result.failed or str(error))
    return replace(result, ops=ops, rows=rows)


def _record(file: Path, artifacts: Sequence[Artifact], cache: Path, results: Sequence[Result]) -> dict[str, Any]:
    """What the manifest says of a verification; `file` holds the golden images."""
    setup = installed(cache) or {}
    return {
        "golden": hashlib.sha256(file.read_bytes()).hexdigest(),
        "images": max((len(a.fed) for a in artifacts), default=0),
        "runtimes": setup.get("runtimes", {}),
        "emulator": next((p for p in setup.get("packages", ()) if p.startswith("qemu-user ")), None),
        "good": all(result.good for result in results),
        "results": [result.entry() for result in results],
    }
