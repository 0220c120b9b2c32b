"""The commands that run artifacts on the ABIs they are for: setup-abi, verify."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec.abi import AbiError
from archspec.abi.cpus import CPUS
from archspec.cli.app import app
from archspec.cli.common import FINDINGS, USAGE, JsonOption, fail
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
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay golden inputs on the ABI of every artifact, and compare the answers with this machine's."""
    for name in cpu or ():
        if name not in CPUS:
            fail(f"--cpu {name}: none of {', '.join(CPUS)}", USAGE)
    for module in ("ai_edge_litert", "PIL"):
        if find_spec(module) is None:
            fail(f"this command needs {module}: pip install 'archspec-compiler[cpu]'", USAGE)
    from archspec.abi.setup import default_cache
    from archspec.abi.verify import verify as replay

    try:
        results = replay(folder, (cache or default_cache()).absolute(), cpu or (), max_lsb, _say)
    except AbiError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or folder}: {reason(error).lower()}")
    print(json.dumps([{**asdict(r), "good": r.good} for r in results], indent=2) if as_json else _table(results))
    bad = [result for result in results if not result.good]
    for r in bad:
        _say(f"error: {r.abi} ({r.scheme}) on {r.cpu}, {r.kernels} kernels: {r.failed or 'out of bounds'}")
    if bad:
        raise typer.Exit(FINDINGS)


def _table(results: list[Result]) -> str:
    from archspec.table import table

    def share(value: float | None) -> str:
        return "" if value is None else "all" if value == 1 else f"{100 * value:.4f} %"

    lines = []
    for r in results:
        far = r.difference
        off = "" if far is None or far.max_difference is None else f"{far.max_difference:.3g}"
        bound = "" if off else r.bound_lsb
        said = "failed" if r.failed else "good" if r.good else "out of bounds"
        identical = share(far.identical if far else None)
        closest = f"{share(r.closest_identical)} of {r.closest}" if r.closest else ""
        lines.append((r.abi, r.scheme, r.cpu, r.kernels, identical, far and far.max_lsb, off, bound, closest, said))
    header = ("ABI", "scheme", "run on", "kernels", "identical", "max LSB", "max difference", "bound", "closest", "")
    return table(header, lines).rstrip("\n")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
