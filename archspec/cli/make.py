"""The commands import, predict and sample. Each loads what it needs only when it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec.cli.app import app
from archspec.cli.common import (
    USAGE,
    BlocksOption,
    FoldedOption,
    JsonOption,
    SetOption,
    Spec,
    TtaOption,
    VariantOption,
    asked,
    checked,
    ended_by_signals,
    fail,
    load_blocks,
    need,
    os_error,
    say,
)  # fmt: skip

if TYPE_CHECKING:
    from archspec.predict import Prediction

PHOTO = (960, 720)  # height and width of a generated photo


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
    doc = checked(spec, variant, set)
    need("tensorflow", "h5py", "safetensors", "ai_edge_litert")
    from archspec.importing import import_weights
    from archspec.process import JobError

    with ended_by_signals():
        try:
            print(import_weights(asked(doc, variant, blocks, set, folded), source, out, map or ()))
        except JobError as error:
            fail(str(error))
        except OSError as error:
            fail(os_error(error, out))
    say(f"wrote {out}")


@app.command()
def predict(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="build/NAME/ABI/model.tflite")],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A photo.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PNG", help="The picture of edges or objects.")
    ] = None,
    labels: Annotated[Path | None, typer.Option("--labels", metavar="FILE", help="Class names, one a line.")] = None,
    corners: Annotated[
        Path | None, typer.Option("--corners", metavar="JSON", help="The document's corners in the photo.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option("--overlay", metavar="PNG", help="The photo with edges and corners over it.")
    ] = None,
    page: Annotated[Path | None, typer.Option("--page", metavar="PNG", help="The document, laid flat.")] = None,
    tta: TtaOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run an artifact on a photo: its edges and the document in them, objects, or the five likeliest classes."""
    need("ai_edge_litert", "PIL", "cv2")
    from dataclasses import asdict

    from archspec.predict import PredictError
    from archspec.predict import predict as run
    from archspec.scan.files import ScanFiles

    try:
        prediction = run(file, image, out, labels, ScanFiles(corners, overlay, page), tta)
    except PredictError as error:
        fail(str(error))
    except OSError as error:
        fail(os_error(error, out))
    print(json.dumps(asdict(prediction), indent=2, default=str) if as_json else _told(prediction))
    if page and prediction.document and prediction.document.corners is None:
        say(f"no document found, so {page} is not written")
    if prediction.untrained:
        say(f"{prediction.model} is untrained: its answer means nothing yet")


def _told(prediction: Prediction) -> str:
    """A prediction in lines for people."""
    from archspec.table import table

    document = prediction.document
    if prediction.task == "objects":
        return _objects(prediction)
    if document is None:
        rows = [(c.index, c.label or "", f"{c.probability:.4f}") for c in prediction.classes]
        return table(("class", "label", "probability"), rows).rstrip("\n")
    edges = f"{prediction.picture}: {100 * (prediction.edge_share or 0):.1f} % of the pixels are edges"
    if document.corners is None:
        return f"{edges}\nno document found: {document.reason}"
    places = ", ".join(f"{x:.1f} {y:.1f}" for x, y in document.corners)
    return f"{edges}\ndocument at {places}; score {document.score:.2f}"


def _objects(prediction: Prediction) -> str:
    from archspec.objects import LIKELY
    from archspec.table import table

    likely = [one for one in prediction.objects if one.score >= LIKELY]
    if not likely:
        best = max((one.score for one in prediction.objects), default=None)
        return "no object found" + (f": the likeliest has a score of {best:.2f}" if best is not None else "")
    rows = [(one.index, one.label or "", f"{one.score:.4f}", *(f"{n:.1f}" for n in one.box)) for one in likely]
    names = ("class", "label", "score", "left", "top", "right", "bottom")
    return f"{prediction.picture}\n{table(names, rows)}".rstrip("\n")


@app.command()
def sample(
    out: Annotated[Path, typer.Argument(metavar="JPEG", help="The photo to write.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, another photo.")] = 0,
) -> None:
    """Generate a photo of a document, to try a network on."""
    need("cv2")
    from archspec.documents import PLAIN, jpeg
    from archspec.documents import sample as photo
    from archspec.files import write_whole

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, jpeg(photo(seed, PHOTO, PLAIN).image))
    except OSError as error:
        fail(os_error(error, out))
    print(out)
