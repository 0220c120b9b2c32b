"""The commands that run artifacts on the ABIs they are for: setup-abi, verify."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec.abi import AbiError
from archspec.abi.cpus import CPUS
from archspec.cli.app import app
from archspec.cli.common import FINDINGS, USAGE, JsonOption, ended_by_signals, fail, need
from archspec.files import reason

if TYPE_CHECKING:
    from archspec.abi.verify import Result

CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="The emulator's folder; without it archspec/abi in the user's caches."),
]


@app.command("setup-abi")
def setup_abi(cache: CacheOption = None) -> None:
    """Fetch what running ARM code takes: an emulator, C libraries and runtimes. Needs no root."""
    from archspec.abi.setup import default_cache, setup

    folder = (cache or default_cache()).absolute()
    try:
        made = setup(folder, _say)
    except AbiError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or folder}: {reason(error).lower()}")
    if not made:
        _say("already set up")
    print(folder)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="build/NAME", show_default=False)],
    cpu: Annotated[
        list[str] | None, typer.Option("--cpu", metavar="NAME", help="Emulate this CPU too: cortex-a15, cortex-a72.")
    ] = None,
    max_lsb: Annotated[
        int | None,
        typer.Option("--max-lsb", min=0, metavar="N", help="How far int8 may be off where equal bits cannot be had."),
    ] = None,
    runner: Annotated[
        str | None,
        typer.Option(
            "--runner", metavar="COMMAND", help='Run on a machine of yours too: "ssh user@host", "adb shell".'
        ),
    ] = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay golden images on the ABI of every artifact; compare the answers with this machine's and the float model's.

    Where equal bits cannot be had, every op is held against this machine's by itself.
    """
    for name in cpu or ():
        if name not in CPUS:
            fail(f"--cpu {name}: none of {', '.join(CPUS)}", USAGE)
    need("ai_edge_litert", "PIL")
    from archspec.abi.remote import connected
    from archspec.abi.setup import default_cache
    from archspec.abi.verify import verify as replay

    where = (cache or default_cache()).absolute()
    try:
        # however it ends, what was copied to another machine goes
        with ended_by_signals(), connected(runner, where, _say) if runner is not None else nullcontext() as remote:
            results = replay(folder, where, cpu or (), max_lsb, _say, remote)
    except AbiError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or folder}: {reason(error).lower()}")
    print(json.dumps([r.entry() for r in results], indent=2) if as_json else _text(results))
    bad = [result for result in results if not result.good]
    for r in bad:
        for why in _complaints(r):
            _say(f"error: {r.abi} ({r.scheme}) on {r.cpu}, {r.kernels} kernels: {why}")
    if bad:
        raise typer.Exit(FINDINGS)


def _complaints(r: Result) -> list[str]:
    whole = [r.failed] if r.failed else [] if r.difference and r.bound is None else _beyond(r)
    return [*whole, *((*r.ops.failed, *r.ops.beyond) if r.ops else ())]


def _beyond(r: Result) -> list[str]:
    return [] if r.difference and r.bound and r.bound.holds(r.difference) else ["out of bounds"]


def _text(results: Sequence[Result]) -> str:
    """The table, and below it what ops and rows tell."""
    from archspec.abi.rowwise import words

    said = []
    for r in results:
        if r.ops is None:
            continue
        ops = r.ops
        amounts = [f"{ops.max_lsb} LSB"] if ops.max_lsb is not None else []
        amounts += [f"{100 * ops.relative:.2g} % of the greatest value"] if ops.relative is not None else []
        off = f"at most {' or '.join(amounts)} off" if amounts else "without an answer"
        where = f", {ops.farthest}" if ops.farthest else ""
        lines = [f"{ops.ops} ops by themselves are {off}{where}", *(words(r.rows) if r.rows else ())]
        said += [
            "",
            f"{r.abi} ({r.scheme}) on {r.cpu}, against the builtin kernels of this machine:",
            *(f"  {line}" for line in lines),
        ]
    return "\n".join([_table(results), *said])


def _table(results: Sequence[Result]) -> str:
    from archspec.table import table

    def share(value: float | None) -> str:
        return "" if value is None else "all" if value == 1 else f"{100 * value:.4f} %"

    lines = []
    for r in results:
        far, told = r.difference, r.from_float
        off = "" if far is None or far.max_difference is None else f"{far.max_difference:.3g}"
        bound = "" if off or r.bound is None else r.bound.lsb
        said = "failed" if r.failed else "good" if r.good else "out of bounds"
        floats = "" if told is None else f"{told.mean:.3g}" if told.mean_lsb is None else f"{told.mean_lsb:.3g} LSB"
        closest = f"{share(r.closest_identical)} of {r.closest}" if r.closest else ""
        identical = share(far.identical if far else None)
        lines.append(
            (r.abi, r.scheme, r.cpu, r.kernels, identical, far and far.max_lsb, off, bound, floats, closest, said)
        )
    header = ("ABI", "scheme", "run on", "kernels", "identical", "max LSB", "max difference", "bound", "mean off float")
    return table((*header, "closest", ""), lines).rstrip("\n")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
