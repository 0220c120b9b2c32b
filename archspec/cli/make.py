"""The commands that make things: import, build, predict, sample. Each loads what it needs only when it runs."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from archspec.analysis import Document, network
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
    fail,
    load_blocks,
    open_document,
    overrides_of,
    report,
)  # fmt: skip
from archspec.diagnostics import SpecError


@app.command("import")
def import_(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A TF1 checkpoint's prefix, .h5, .keras, .safetensors or .tflite.")
    ],
    spec: Spec,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="What is written, a Keras .weights.h5.")],
    map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="TENSORS=LAYERS", help="Match names by patterns: 'hed/dsn*/conv2d=side*_conv'."),
    ] = None,
    variant: VariantOption = None,
    set: SetOption = None,
    folded: FoldedOption = False,
    blocks: BlocksOption = None,
) -> None:
    """Match the weights of a foreign file to a spec, by structure; fail on any doubt."""
    if not out.name.endswith(".weights.h5"):
        fail(f"{out}: the name must end in .weights.h5", USAGE)
    if not out.parent.is_dir():
        fail(f"{out.parent}: no such folder", USAGE)
    load_blocks(blocks)
    doc = _checked(spec, variant, set)
    _need("tensorflow", "h5py", "safetensors", "ai_edge_litert")
    from archspec.importing import import_weights
    from archspec.process import JobError

    with _ended_by_signals():
        try:
            print(import_weights(asked(doc, variant, blocks, set, folded), source, out, map or ()))
        except JobError as error:
            fail(str(error))
        except OSError as error:
            fail(_os_error(error, out))
    _say(f"wrote {out}")


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
    as_json: JsonOption = False,
    blocks: BlocksOption = None,
) -> None:
    """Build model.keras, a .tflite for each target, and their manifest."""
    load_blocks(blocks)
    doc = _checked(spec, variant, set, outputs)
    _need("tensorflow", "ai_edge_litert", "h5py", "safetensors", "PIL")
    from archspec import build as builder
    from archspec.calibration import CalibrationError
    from archspec.failures import report as lines
    from archspec.process import JobError

    source = asked(doc, variant, blocks, set, folded)
    with _ended_by_signals():
        try:
            order = builder.order(doc, source, weights, out, calibrate, _say, passes=not no_passes)
        except SpecError as error:
            report(error.diagnostics)
            raise typer.Exit(FINDINGS) from None
        except (CalibrationError, OSError) as error:
            fail(_os_error(error, weights) if isinstance(error, OSError) else str(error), USAGE)
        try:
            manifest, failed = builder.build(order, _say)
        except JobError as error:
            fail(str(error))
        except OSError as error:
            fail(_os_error(error, order.folder))
    if as_json:
        print(json.dumps(manifest, indent=2))
    else:
        _print_build(order.folder, manifest)
    for line in lines(failed):
        _say(f"error: {line}")
    if failed:
        raise typer.Exit(FINDINGS)


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
        _say("the weights are untrained: these artifacts answer at random")


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="build/NAME/ABI/model.tflite")],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A photo.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="PNG", help="The edge picture.")] = None,
    labels: Annotated[Path | None, typer.Option("--labels", metavar="FILE", help="Class names, one a line.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run an artifact on a photo: an edge picture, or the five likeliest classes."""
    _need("ai_edge_litert", "PIL")
    from dataclasses import asdict

    from archspec.predict import PredictError
    from archspec.predict import predict as run
    from archspec.table import table

    try:
        prediction = run(file, image, out, labels)
    except PredictError as error:
        fail(str(error))
    except OSError as error:
        fail(_os_error(error, out))
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
        fail(_os_error(error, out))
    print(out)


def _checked(path: Path, variant: str | None, settings: list[str] | None, outputs: str | None = None) -> Document:
    try:
        doc = open_document(path, overrides_of(settings), outputs)
        network(doc, variant)
        return doc
    except SpecError as error:
        report(error.diagnostics)
        raise typer.Exit(FINDINGS) from None


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Meanwhile a plain kill and a closed terminal end the program as Ctrl-C does: worker and temporary files go."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    before = {number: handler for number, handler in before.items() if handler == signal.SIG_DFL}  # nohup ignores one
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _os_error(error: OSError, path: Path | None) -> str:
    return f"{error.filename or path}: {(error.strerror or str(error)).lower()}"


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _need(*modules: str) -> None:
    from importlib.util import find_spec

    for module in modules:
        if find_spec(module) is None:
            fail(f"this command needs {module}: pip install 'archspec-compiler[cpu]'", USAGE)
