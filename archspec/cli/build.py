"""The command build. It loads what it needs only when it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archspec.cli.app import app
from archspec.cli.common import (
    FINDINGS,
    USAGE,
    BlocksOption,
    FoldedOption,
    JsonOption,
    OutputsOption,
    SetOption,
    Spec,
    VariantOption,
    asked,
    checked,
    ended_by_signals,
    fail,
    load_blocks,
    need,
    os_error,
    report,
    say,
)  # fmt: skip
from archspec.diagnostics import SpecError

if TYPE_CHECKING:
    from archspec.order import Order
    from archspec.rank import Ranking


@app.command()
def build(
    spec: Spec,
    variant: VariantOption = None,
    outputs: OutputsOption = None,
    set: SetOption = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE", help="Trained weights: what `archspec import` writes or reads."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the model's folder is put.")] = Path("build"),
    calibrate: Annotated[
        Path | None, typer.Option("--calibrate", metavar="DIR", help="Pictures that show int8 its ranges.")
    ] = None,
    folded: FoldedOption = False,
    no_passes: Annotated[
        bool, typer.Option("--no-passes", help="Convert the network as it is, to see what the passes bring.")
    ] = False,
    quant_report: Annotated[
        bool,
        typer.Option("--quant-report", help="Rank rows by the error that quantizing each adds; build nothing."),
    ] = False,
    fallback: Annotated[
        float | None,
        typer.Option("--fallback", min=0, metavar="MAX_ERROR", help="Keep rows in float for a relative error of that."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="ABI", help="Whose rows: where targets are quantized differently.")
    ] = None,
    as_json: JsonOption = False,
    blocks: BlocksOption = None,
) -> None:
    """Build model.keras, a .tflite for each target, and their manifest."""
    if quant_report and fallback is not None:
        fail("--quant-report builds nothing, --fallback does: take one of them", USAGE)
    if target is not None and not quant_report and fallback is None:
        fail("--target goes with --quant-report or --fallback", USAGE)
    load_blocks(blocks)
    doc = checked(spec, variant, set, outputs)
    need("tensorflow", "ai_edge_litert", "ai_edge_quantizer", "h5py", "safetensors", "PIL", "cv2")
    from archspec import build as builder
    from archspec.calibration import CalibrationError
    from archspec.failures import report as lines
    from archspec.order import order as order_for
    from archspec.process import JobError
    from archspec.weights import WeightsError

    source = asked(doc, variant, blocks, set, folded)
    with ended_by_signals():
        try:
            order = order_for(doc, source, weights, out, calibrate, say, passes=not no_passes)
        except SpecError as error:
            report(error.diagnostics)
            raise typer.Exit(FINDINGS) from None
        except (CalibrationError, WeightsError, OSError) as error:
            fail(os_error(error, weights) if isinstance(error, OSError) else str(error), USAGE)
        try:
            if quant_report or fallback is not None:
                order = _ranked(order, target, fallback, as_json)
            if quant_report:
                return
            manifest, failed = builder.build(order, say)
        except JobError as error:
            fail(str(error))
        except OSError as error:
            fail(os_error(error, order.folder))
    if as_json:
        print(json.dumps(manifest, indent=2))
    else:
        _print_build(order.folder, manifest)
    for line in lines(failed):
        say(f"error: {line}")
    if failed:
        raise typer.Exit(FINDINGS)


def _ranked(order: Order, target: str | None, most: float | None, as_json: bool) -> Order:
    """Print the ranking, or the rows that are to be float. Raises JobError, OSError."""
    from archspec import rank

    try:
        ranking, order = rank.rank(order, target, most, say)
    except rank.TargetError as error:
        fail(str(error), USAGE)
    if most is None and as_json:
        print(json.dumps(rank.ready(ranking), indent=2))
    elif most is None:
        _print_ranking(ranking)
    elif ranking.float_rows:
        say(f"error {ranking.error:.3g} with all rows in integers; for at most {most:g} put into the spec:")
        for abi in ranking.abis:
            say(f"  {abi}: {{float_rows: [{', '.join(ranking.float_rows)}]}}")
    else:
        say(f"error {ranking.error:.3g} with all rows in integers: none need be float")
    return order


def _print_ranking(ranking: Ranking) -> None:
    from archspec.rank import decibels
    from archspec.table import table

    def shown(error: float) -> tuple[str, str]:
        ratio = decibels(error)
        return f"{error:.3g}", "" if ratio is None else f"{ratio:.1f} dB"

    lines = [(r.row, *shown(r.alone), *shown(r.left)) for r in ranking.ranks]
    print(table(("row", "error alone", "", "left without it", ""), lines), end="")
    print(f"all rows quantized, for {', '.join(ranking.abis)}: {' = '.join(filter(None, shown(ranking.error)))}")


def _print_build(folder: Path, manifest: dict[str, Any]) -> None:
    from archspec.table import table

    def worst(entry: dict[str, Any], key: str) -> str:
        values = [d[key] for d in entry["difference"].values() if d[key] is not None]
        return f"{max(values):.3g}" if values else ""

    lines = [
        (
            e["abi"],
            e["scheme"],
            str(folder / e["file"]),
            e["bytes"],
            worst(e, "max"),
            worst(e, "max_lsb"),
            worst(e, "mean_lsb"),
        )
        for e in manifest["artifacts"]
    ]
    header = ("ABI", "scheme", "file", "bytes", "max difference", "in LSB", "mean LSB")
    if lines:
        print(table(header, lines), end="")
    print(f"{folder / manifest['keras']}\n{folder / 'manifest.json'}")
    if manifest["weights"] == "untrained":
        say("the weights are untrained: these artifacts answer at random")
