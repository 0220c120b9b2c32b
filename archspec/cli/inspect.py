"""The commands that look and never load TensorFlow: check, params, show, blocks, schema."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from archspec import cli
from archspec.analysis import Document, Network, Override, network, networks
from archspec.cli.common import (
    FINDINGS, BlocksOption, JsonOption, SetOption, Spec, Specs, VariantOption, fail, load_blocks, open_document,
    overrides_of, report, sweeps_of,
)  # fmt: skip
from archspec.diagnostics import Diagnostic, SpecError, suggestion
from archspec.ops import show as show_shape
from archspec.table import table

app = cli.app


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
    rows: list[dict[str, Any]] = []
    found: list[Diagnostic] = []
    for path in specs:
        for overrides in combinations:
            try:
                doc = open_document(path, [*fixed, *overrides])
                for result in _chosen(doc, variant, bool(sweep)):
                    if isinstance(result, SpecError):
                        found += result.diagnostics
                    else:
                        rows.append(record(result, overrides))
            except SpecError as error:
                found += error.diagnostics
    report(dict.fromkeys(found))
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print(_by_row(rows) if by is By.row else _by_network(rows), end="")
    if found:
        raise typer.Exit(FINDINGS)


def _chosen(doc: Document, variant: str | None, sweeping: bool) -> list[Network | SpecError]:
    if variant is None and not sweeping:
        return list(networks(doc))
    return [network(doc, variant)]


def record(result: Network, overrides: list[Override]) -> dict[str, Any]:
    """One network's counts as JSON has them."""
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
                "trainable": row.trainable,
                "macs": row.macs,
                "receptive_field": row.receptive_field,
                "stride": row.stride,
            }
            for row in counted.rows
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


_ROW_HEADER = ("row", "block", "repeat", "output", "params", "MACs", "receptive field", "stride")


def _row_line(row: dict[str, Any]) -> tuple[object, ...]:
    return (
        row["name"], row["block"], row["repeat"], show_shape(tuple(row["output"])), row["params"], row["macs"],
        row["receptive_field"], row["stride"],
    )  # fmt: skip


def _by_row(rows: list[dict[str, Any]]) -> str:
    lines = [(r["model"], _label(r), *_row_line(row)) for r in rows for row in r["rows"]]
    sums = [sum(r[key] for r in rows) for key in ("params", "macs")]
    total = (_plural(len(rows), "network"), "", "", "", "", "", *sums, "", "")
    return table(("model", "variant", *_ROW_HEADER), lines, total)


@app.command()
def show(
    spec: Spec, variant: VariantOption = None, set_: SetOption = None, as_json: JsonOption = False, blocks: BlocksOption = None
) -> None:
    """Show the table of rows: shapes, counts, receptive fields."""
    load_blocks(blocks)
    try:
        result = network(open_document(spec, overrides_of(set_)), variant)
    except SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(FINDINGS) from None
    counts = record(result, [])
    if as_json:
        print(json.dumps(counts, indent=2))
        return
    head, memory = result.graph.head, result.cost.activation_bytes
    title = head.model if variant is None else f"{head.model}, variant {variant}"
    print(f"{title}: input {show_shape(head.input.shape)}, values {head.input.interval[0]:g} to {head.input.interval[1]:g}")
    print(table(_ROW_HEADER, [_row_line(r) for r in counts["rows"]], ("", "", "", "", counts["params"], counts["macs"], "", "")))
    print(f"{counts['trainable']:,} parameters are trainable")
    print(f"activations at their peak: {memory['int8']:,} bytes in int8, {memory['float32']:,} in float32")
    print("outputs: " + ", ".join(f"{name} {show_shape(tensor.shape)}" for name, tensor in result.graph.outputs))
    if train := head.train:
        print(f"training: {train.task}, {train.optimizer} {train.learning_rate:g}, batch {train.batch}")


@app.command()
def blocks(
    name: Annotated[str | None, typer.Argument(help="One block, with its options.", show_default=False)] = None,
    as_json: JsonOption = False,
    blocks: BlocksOption = None,
) -> None:
    """List the blocks, or explain one."""
    from archspec.blocks import BLOCKS

    load_blocks(blocks)
    if name is not None and name not in BLOCKS:
        fail(f"no block `{name}`; {suggestion(name, list(BLOCKS))}")
    chosen = [BLOCKS[name]] if name else list(BLOCKS.values())
    if as_json:
        print(json.dumps([_block_record(b) for b in chosen], indent=2))
    elif name:
        options = [(o["name"], o["default"], o["expects"]) for o in _block_record(chosen[0])["options"]]
        print(f"{name}\n\n{chosen[0].doc}\n")
        if options:
            print(table(("option", "default", "expects"), options), end="")
    else:
        print(table(("block", "what it is"), [(b.name, b.doc.splitlines()[0]) for b in chosen]), end="")


def _block_record(block: Any) -> dict[str, Any]:
    from archspec.blocks import REQUIRED

    def default(option: Any) -> Any:
        if option.default is REQUIRED:
            return "required"
        return list(option.default) if isinstance(option.default, tuple) else option.default

    options = [{"name": o.name, "default": default(o), "expects": o.kind.expects} for o in block.options.values()]
    return {"name": block.name, "doc": block.doc, "reads_several_rows": block.several, "options": options}


@app.command()
def schema(blocks: BlocksOption = None) -> None:
    """Print the JSON Schema of a spec, for editors."""
    from archspec.schema import schema as made

    load_blocks(blocks)
    json.dump(made(), sys.stdout, indent=1)
    print()


