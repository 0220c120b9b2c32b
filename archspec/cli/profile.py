"""The command that says what the ops of an artifact cost: profile."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from archspec.abi import AbiError
from archspec.abi.cpus import CPUS, Cpu
from archspec.artifact import ArtifactError
from archspec.cli.abi import CacheOption
from archspec.cli.app import app
from archspec.cli.common import FINDINGS, USAGE, JsonOption, fail
from archspec.files import reason

if TYPE_CHECKING:
    from archspec.abi.profile import Profile

USUAL: dict[str, Cpu | None] = {c.abi: c for c in reversed(CPUS.values())} | {"x86_64": None}
"""The CPU of each ABI, the first of those that are emulated; none stands for this machine."""


@app.command()
def profile(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .tflite file.", show_default=False)],
    abi: Annotated[
        list[str] | None,
        typer.Option("--abi", metavar="ABI", help="Count on this ABI; x86_64 times this machine.", show_default=False),
    ] = None,
    cpu: Annotated[
        list[str] | None, typer.Option("--cpu", metavar="NAME", help="Count on this CPU: cortex-a15, cortex-a76.")
    ] = None,
    by: Annotated[
        Literal["op", "row", "node"], typer.Option("--by", help="A line for each type of op, row, or op.")
    ] = "op",
    reps: Annotated[int, typer.Option("--reps", min=1, metavar="N", help="How often this machine is timed.")] = 20,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the ops of an artifact cost: instructions on emulated CPUs, milliseconds on this machine."""
    for module in ("ai_edge_litert", "PIL"):
        if find_spec(module) is None:
            fail(f"this command needs {module}: pip install 'archspec-compiler[cpu]'", USAGE)
    from archspec.abi import lines
    from archspec.abi import profile as costs
    from archspec.abi.setup import default_cache
    from archspec.abi.shares import grouped

    try:
        places = _places(abi or ([] if cpu else [costs.abi_of(file)]), cpu or ())
        made = costs.profile(file, places, (cache or default_cache()).absolute(), reps, _say)
    except ArtifactError as error:
        fail(f"{file}: {error}")
    except AbiError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or file}: {reason(error).lower()}")
    groups = grouped(made, by)
    if as_json:
        print(json.dumps({**asdict(made), "groups": [asdict(one) for one in groups]}, indent=2))
    else:
        print(lines.text(made, groups, by))
    failures = _failures(made)
    for line in failures:
        _say(f"error: {line}")
    if failures:
        raise typer.Exit(FINDINGS)


def _places(abis: Sequence[str], names: Sequence[str]) -> list[Cpu | None]:
    """The usual CPU of each ABI, then those by name, each once; None is this machine."""
    for name in abis:
        if name not in USUAL:
            fail(f"--abi {name}: none of {', '.join(sorted(USUAL))}", USAGE)
    for name in names:
        if name not in CPUS:
            fail(f"--cpu {name}: none of {', '.join(CPUS)}", USAGE)
    return list(dict.fromkeys([*(USUAL[name] for name in abis), *(CPUS[name] for name in names)]))


def _failures(made: Profile) -> list[str]:
    found = []
    for column in made.columns:
        if isinstance(column.whole, str):
            found.append(f"the whole on {column.cpu}: {column.whole}")
        for op, cost in zip(made.ops, column.ops, strict=True):
            if isinstance(cost, str):
                found.append(f"op {op.index}, {op.op} ({op.row}), on {column.cpu}: {cost}")
    return found


def _say(line: str) -> None:
    print(line, file=sys.stderr)
