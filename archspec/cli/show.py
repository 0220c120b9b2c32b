"""The command that shows the rows of one network, as the spec has them or as a target is served."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated

import typer

from archspec.analysis import Network, network
from archspec.cli.app import app
from archspec.cli.common import (
    FINDINGS,
    USAGE,
    BlocksOption,
    JsonOption,
    OutputsOption,
    SetOption,
    Spec,
    VariantOption,
    fail,
    load_blocks,
    open_document,
    overrides_of,
    report,
)  # fmt: skip
from archspec.cli.inspect import ROW_HEADER, record, row_line
from archspec.cost import cost
from archspec.diagnostics import SpecError
from archspec.graph import cut
from archspec.ops import show as show_shape
from archspec.spec import ABIS, Target
from archspec.table import table


@app.command()
def show(
    spec: Spec,
    variant: VariantOption = None,
    outputs: OutputsOption = None,
    set_: SetOption = None,
    deployed: Annotated[
        bool, typer.Option("--deployed", help="The network as a target is served, behind the deployment passes.")
    ] = False,
    target: Annotated[
        str | None, typer.Option("--target", metavar="ABI", help="The target; without it the spec's first.")
    ] = None,
    as_json: JsonOption = False,
    blocks: BlocksOption = None,
) -> None:
    """Show the table of rows: shapes, counts, receptive fields."""
    if target is not None and not deployed:
        fail("--target goes with --deployed", USAGE)
    load_blocks(blocks)
    try:
        doc = open_document(spec, overrides_of(set_), outputs)
        result, notes = network(doc, variant), list[str]()
        if deployed:
            abi = _target(result, target)
            asked = result.graph.head.targets[abi]
            served = result if variant is not None else network(doc, asked.variant)
            result, notes = _deployed(served, abi, replace(asked, outputs=() if outputs else asked.outputs))
    except SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(FINDINGS) from None
    if as_json:
        print(json.dumps({**record(result, []), **({"target": abi, "passes": notes} if deployed else {})}, indent=2))
    else:
        _print(result, f", as {abi} is served" if deployed else "", deployed)
        for note in notes:
            print(f"pass: {note}")


def _target(result: Network, abi: str | None) -> str:
    """The target that is asked for, or the first; ends the program where the spec has no such one."""
    targets = result.graph.head.targets
    if abi is None:
        return next(iter(targets))
    if abi not in targets:
        known = f"its targets are {', '.join(targets)}" if abi in ABIS else f"known are {', '.join(ABIS)}"
        fail(f"--target {abi}: {result.spec} has no such target, {known}", USAGE)
    return abi


def _deployed(result: Network, abi: str, target: Target) -> tuple[Network, list[str]]:
    """The network that is converted for an ABI, and what the passes did."""
    from archspec.passes import deploy, form_for

    graph = cut(result.graph, target.outputs) if target.outputs else result.graph
    made = deploy(graph, form_for(abi, target, graph))
    return replace(result, graph=made.graph, cost=cost(made.graph)), list(made.notes)


def _print(result: Network, served: str, deployed: bool) -> None:
    counts, memory = record(result, []), result.cost.activation_bytes
    head, variant = result.graph.head, result.variant
    title = head.model if variant is None else f"{head.model}, variant {variant}"
    low, high = head.input.interval
    total = ("", "", "", "", counts["params"], counts["macs"], "", "")
    print(f"{title}{served}: input {show_shape(head.input.shape)}, values {low:g} to {high:g}")
    print(table(ROW_HEADER, [row_line(row) for row in counts["rows"]], total))
    if not deployed:
        print(f"{counts['trainable']:,} parameters are trainable")
    print(f"activations at their peak: {memory['int8']:,} bytes in int8, {memory['float32']:,} in float32")
    print("outputs: " + ", ".join(f"{name} {show_shape(tensor.shape)}" for name, tensor in result.graph.outputs))
    if (train := head.train) and not deployed:
        print(f"training: {train.task}, {train.optimizer} {train.learning_rate:g}, batch {train.batch}")
