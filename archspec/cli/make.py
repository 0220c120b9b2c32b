"""The commands that make things: import, build, predict, sample. Each loads what it needs only when it runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from archspec import cli
from archspec.analysis import Document, network
from archspec.cli.common import (
    FINDINGS, USAGE, BlocksOption, JsonOption, Spec, VariantOption, fail, load_blocks, open_document, report,
)  # fmt: skip
from archspec.diagnostics import SpecError

app = cli.app


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A TF1 checkpoint's prefix, or a .h5, .keras or .safetensors file.")],
    spec: Spec,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="What is written, a Keras .weights.h5.")],
    map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="TENSORS=LAYERS", help="Match names by patterns: 'hed/dsn*/conv2d=side*_conv'."),
    ] = None,
    variant: VariantOption = None,
    blocks: BlocksOption = None,
) -> None:
    """Match the weights of a foreign file to a spec, by structure; fail on any doubt."""
    from archspec import jobs

    load_blocks(blocks)
    _need_tensorflow()
    if not out.name.endswith(".weights.h5"):
        fail(f"{out}: the name must end in .weights.h5", USAGE)
    if not out.parent.is_dir():
        fail(f"{out.parent}: no such folder", USAGE)
    doc = _open(spec)
    _network(doc, variant)
    job = jobs.ImportJob(_source(doc, variant, blocks), source, str(out), tuple(map or ()))
    for event in _events(job):
        if event["event"] == "refused":
            fail(str(event["reason"]))
        print(event["report"], end="" if str(event["report"]).endswith("\n") else "\n")
        print(f"wrote {event['file']}", file=sys.stderr)


@app.command()
def build(
    spec: Spec,
    variant: VariantOption = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="Trained weights: what `archspec import` writes or reads.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the model's folder is put.")] = Path("build"),
    calibrate: Annotated[
        Path | None, typer.Option("--calibrate", metavar="DIR", help="Pictures that show int8 its ranges.")
    ] = None,
    as_json: JsonOption = False,
    blocks: BlocksOption = None,
) -> None:
    """Build model.keras, a .tflite for each target, and their manifest."""
    load_blocks(blocks)
    _need_tensorflow()
    from archspec import build as builder

    order = _order(_open(spec), variant, weights, out, calibrate, blocks)
    try:
        manifest, failed = builder.build(order, _say)
    except builder.BuildError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or order.folder}: {error.strerror or error}")
    if as_json:
        print(json.dumps(manifest, indent=2))
    else:
        _print_build(order.folder, manifest)
    for line in builder.report(failed):
        print(f"error: {line}", file=sys.stderr)
    if failed:
        raise typer.Exit(FINDINGS)


def _order(
    doc: Document, variant: str | None, weights: Path | None, out: Path, calibrate: Path | None, blocks: list[str] | None
) -> Any:
    from archspec import build as builder
    from archspec.manifest import weights_at

    main = _network(doc, variant)
    head = main.graph.head
    conversions = builder.plan(head.targets, variant)
    graphs = {which: _network(doc, which).graph for which in {c.variant for c in conversions} | {variant}}
    try:
        digest = weights_at(weights) if weights else None
    except OSError as error:
        fail(f"{weights}: {(error.strerror or str(error)).lower()}", USAGE)
    calibration = _calibration(head.input, weights is not None, calibrate)
    source = _source(doc, variant, blocks)
    return builder.Order(main, source, conversions, graphs, digest, calibration, out / head.model)


def _calibration(contract: Any, trained: bool, folder: Path | None) -> Any:
    from archspec import calibration
    from archspec.manifest import input_entry
    from archspec.photo import InputContract

    if folder is None and not trained:
        return calibration.noise(contract.shape, contract.interval)
    try:
        photo = InputContract.from_manifest(input_entry(contract))
    except ValueError as error:
        fail(f"pictures do not fit this network's input: {error}", USAGE)
    if folder is None:
        _say("warning: int8 ranges come from generated photos; give real ones by --calibrate DIR")
        return calibration.generated(photo)
    try:
        return calibration.from_folder(folder, photo)
    except calibration.CalibrationError as error:
        fail(str(error), USAGE)


def _print_build(folder: Path, manifest: dict[str, Any]) -> None:
    from archspec.table import table

    def worst(entry: dict[str, Any], key: str) -> str:
        values = [d[key] for d in entry["difference"].values() if d[key] is not None]
        return f"{max(values):.3g}" if values else ""

    lines = [
        (e["abi"], e["scheme"], str(folder / e["file"]), e["bytes"], worst(e, "max"), worst(e, "max_lsb"), worst(e, "mean_lsb"))
        for e in manifest["artifacts"]
    ]
    header = ("ABI", "scheme", "file", "bytes", "max difference", "in LSB", "mean LSB")
    print(table(header, lines), end="")
    print(f"{folder / manifest['keras']}\n{folder / 'manifest.json'}")
    if manifest["weights"] == "untrained":
        print("the weights are untrained: these artifacts answer at random")


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="build/NAME/ABI/model.tflite")],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A photo.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="PNG", help="The edge picture.")] = None,
    labels: Annotated[Path | None, typer.Option("--labels", metavar="FILE", help="Class names, one a line.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run an artifact on a photo: an edge picture, or the five likeliest classes."""
    _need("ai_edge_litert")
    from dataclasses import asdict

    from archspec.predict import PredictError
    from archspec.predict import predict as run
    from archspec.table import table

    try:
        prediction = run(file, image, out, labels)
    except PredictError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror or error}")
    if as_json:
        print(json.dumps(asdict(prediction), indent=2, default=str))
    elif prediction.task == "edges":
        print(f"{prediction.picture}: {100 * (prediction.edge_share or 0):.1f} % of the pixels are edges")
    else:
        rows = [(c.index, c.label or "", f"{c.probability:.4f}") for c in prediction.classes]
        print(table(("class", "label", "probability"), rows), end="")
    if prediction.untrained:
        _say(f"{prediction.model} is untrained: its answer means nothing yet")


@app.command()
def sample(
    out: Annotated[Path, typer.Argument(metavar="JPEG", help="The photo to write.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, another photo.")] = 0,
) -> None:
    """Generate a photo of a document, to try a network on."""
    _need("PIL")
    from archspec.files import write_whole
    from archspec.sample import document_photo, jpeg

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, jpeg(document_photo(seed)[0]))
    except OSError as error:
        fail(f"{out}: {error.strerror or error}")
    print(out)


def _open(path: Path) -> Document:
    try:
        return open_document(path)
    except SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(FINDINGS) from None


def _network(doc: Document, variant: str | None) -> Any:
    try:
        return network(doc, variant)
    except SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(FINDINGS) from None


def _source(doc: Document, variant: str | None, blocks: list[str] | None) -> Any:
    from archspec import jobs

    return jobs.Network(doc.source.name, doc.source.text, variant, tuple(blocks or ()))


def _events(job: Any) -> Any:
    """The events of a job that is one step; ends the program where its process dies."""
    from archspec.process import last_line, worker

    with worker(job) as (events, ended):
        yield from events
        if ended[0].how is not None:
            fail(f"{ended[0].how}: {last_line(ended[0].log)}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _need_tensorflow() -> None:
    _need("tensorflow")
    _need("ai_edge_litert")


def _need(module: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        fail(f"this command needs {module}: pip install 'archspec-compiler[cpu]'", USAGE)
