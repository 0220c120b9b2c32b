"""The commands that check and count specs and never load TensorFlow: check, params."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from archspec.analysis import Document, Network, Override, network, networks
from archspec.cli.app import app
from archspec.cli.common import (
    FINDINGS,
    BlocksOption,
    JsonOption,
    OutputsOption,
    SetOption,
    Specs,
    VariantOption,
    load_blocks,
    open_document,
    overrides_of,
    report,
    sweeps_of,
)  # fmt: skip
from archspec.diagnostics import Diagnostic, SpecError
from archspec.ops import show as show_shape
from archspec.table import table


class Format(enum.StrEnum):
    text = "text"
    concise = "concise"
    json = "json"
    sarif = "sarif"
    github = "github"


class By(enum.StrEnum):
    network = "network"
    row = "row"


@app.command()
def check(
    specs: Specs,
    format: Annotated[Format, typer.Option("--format", help="How findings are printed.")] = Format.text,
    blocks: BlocksOption = None,
) -> None:
    """Is every spec valid, and as expected? All variants."""
    load_blocks(blocks)
    found: list[Diagnostic] = []
    count = 0
    for path in specs:
        try:
            for result in networks(open_document(path)):
                count += 1
                found += result.diagnostics if isinstance(result, SpecError) else ()
        except SpecError as error:
            found += error.diagnostics
    found = list(dict.fromkeys(found))
    if found or format in (Format.json, Format.sarif):
        from archspec import render  # only where there is something to print

        print(render.FORMATS[format](found), end="")
    if found:
        raise typer.Exit(FINDINGS)
    if format is Format.text:
        print(f"{_plural(len(specs), 'spec')}, {_plural(count, 'network')}: all good")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@app.command()
def params(
    specs: Specs,
    by: Annotated[By, typer.Option("--by", help="One line a network, or one a row.")] = By.network,
    variant: VariantOption = None,
    outputs: OutputsOption = None,
    sweep: Annotated[
        list[str] | None, typer.Option("--sweep", metavar="KEY=V1,V2", help="Multiply out values: scale.width=0.5,1.")
    ] = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
    blocks: BlocksOption = None,
) -> None:
    """Count parameters, MACs and memory: one line a spec and variant."""
    load_blocks(blocks)
    fixed = overrides_of(set_)
    combinations = sweeps_of(sweep)
    detailed = as_json or by is By.row
    tasks = [(path, overrides) for path in specs for overrides in combinations]

    def results(task: int) -> list[Network | SpecError]:
        path, overrides = tasks[task]
        try:
            return _chosen(open_document(path, [*fixed, *overrides], outputs), variant, bool(sweep))
        except SpecError as error:
            return [error]

    def counted(task: int) -> list[dict[str, Any]]:
        return [record(_right(result), tasks[task][1], rows=detailed) for result in results(task)]

    rows: list[dict[str, Any]] = []
    found: list[Diagnostic] = []
    for task, records in enumerate(_spread(len(tasks), counted)):
        if records is not None:
            rows += records
            continue
        for result in results(task):  # again, in this process, for what is wrong to be said
            if isinstance(result, SpecError):
                found += result.diagnostics
            else:
                rows.append(record(result, tasks[task][1], rows=detailed))
    report(dict.fromkeys(found))
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print(_by_row(rows) if by is By.row else _by_network(rows), end="")
    if found:
        raise typer.Exit(FINDINGS)


def _spread(count: int, work: Callable[[int], Any]) -> list[Any]:
    from archspec.spread import MOST, spread  # only where specs are counted

    return spread(count, work) if count <= MOST else [None] * count


def _right(result: Network | SpecError) -> Network:
    if isinstance(result, SpecError):
        raise result
    return result


def _chosen(doc: Document, variant: str | None, sweeping: bool) -> list[Network | SpecError]:
    if variant is None and not sweeping:
        return list(networks(doc))
    return [network(doc, variant)]


def record(result: Network, overrides: list[Override], *, rows: bool = True) -> dict[str, Any]:
    """One network's counts as JSON has them, with those of its rows or without."""
    from archspec.source import plain

    counted, head = result.cost, result.graph.head
    return {
        "spec": result.spec,
        "model": head.model,
        "variant": result.variant,
        **({"sweep": {key: plain(value) for key, value in overrides}} if overrides else {}),
        "input": list(head.input.shape),
        "params": counted.params,
        "trainable": counted.trainable,
        "macs": counted.macs,
        "activation_bytes": counted.activation_bytes,
        "rows": [
            {
                "name": row.name,
                "block": row.block,
                "repeat": row.repeat,
                "output": list(row.output),
                "params": row.params,
                "macs": row.macs,
                "receptive_field": row.receptive_field,
                "stride": row.stride,
            }
            for row in (counted.rows if rows else ())
        ],
    }


def _label(row: dict[str, Any]) -> str:
    swept = " ".join(f"{key}={value}" for key, value in row.get("sweep", {}).items())
    return " ".join(filter(None, (row["variant"], swept)))


def _by_network(rows: list[dict[str, Any]]) -> str:
    header = ("model", "variant", "input", "params", "trainable", "MACs", "peak int8 bytes")
    lines = [
        (r["model"], _label(r), show_shape(tuple(r["input"])), r["params"], r["trainable"], r["macs"],
         r["activation_bytes"]["int8"])
        for r in rows
    ]  # fmt: skip
    sums = [sum(r[key] for r in rows) for key in ("params", "trainable", "macs")]
    return table(header, lines, (_plural(len(rows), "network"), "", "", *sums, ""))


ROW_HEADER = ("row", "block", "repeat", "output", "params", "MACs", "receptive field", "stride")


def row_line(row: dict[str, Any]) -> tuple[object, ...]:
    return (
        row["name"], row["block"], row["repeat"], show_shape(tuple(row["output"])), row["params"], row["macs"],
        row["receptive_field"], row["stride"],
    )  # fmt: skip


def _by_row(rows: list[dict[str, Any]]) -> str:
    lines = [(r["model"], _label(r), *row_line(row)) for r in rows for row in r["rows"]]
    sums = [sum(r[key] for r in rows) for key in ("params", "macs")]
    total = (_plural(len(rows), "network"), "", "", "", "", "", *sums, "", "")
    return table(("model", "variant", *ROW_HEADER), lines, total)
