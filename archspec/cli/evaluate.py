"""The command that says how good artifacts are: eval."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archspec.cli.app import app
from archspec.cli.common import USAGE, JsonOption, TtaOption, fail, need

if TYPE_CHECKING:
    from archspec.evaluate import Agreement, EdgeResult

KERAS = (".keras", ".h5")  # endings of files that are not built yet


@app.command("eval")
def eval_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE [FILE]", help="build/NAME/ABI/model.tflite", show_default=False)
    ],
    pairs: Annotated[
        Path | None, typer.Option("--pairs", metavar="CSV", help="Lines of image,annotation: thin edges on black.")
    ] = None,
    documents: Annotated[
        int | None, typer.Option("--documents", metavar="N", min=1, help="Generate so many photos of documents.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Photos on which two classifiers are compared.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="SEED", min=0, help="Of the first generated photo; else 0.")
    ] = None,
    backgrounds: Annotated[
        Path | None, typer.Option("--backgrounds", metavar="DIR", help="Pictures that half of the documents lie on.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", metavar="ROW", help="Another edge map than the first.")
    ] = None,
    tta: TtaOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score edge maps and the documents found by them, or say how often two classifiers agree."""
    if sum(given is not None for given in (pairs, documents, images)) != 1:
        fail("name one of --pairs CSV, --documents N and --images DIR", USAGE)
    if len(files) > 2 or (images is not None and len(files) != 2):
        fail(f"{len(files)} files: " + ("two are compared" if images else "one or two are scored"), USAGE)
    if images is not None and output is not None:
        fail("--output names an edge map, and goes with --pairs and --documents", USAGE)
    if images is not None and tta:
        fail("--tta averages edge maps, and goes with --pairs and --documents", USAGE)
    if documents is None and (seed is not None or backgrounds is not None):
        fail("--seed and --backgrounds are of generated photos, and go with --documents", USAGE)
    for file in files:
        if file.suffix in KERAS:
            fail(f"{file}: no .tflite file; make one by: archspec build SPEC --weights {file}", USAGE)
    need("ai_edge_litert", "PIL", "scipy", "cv2")
    from archspec import evaluate
    from archspec.calibration import CalibrationError
    from archspec.pairs import PairError
    from archspec.photo import PhotoError
    from archspec.predict import PredictError

    try:
        if pairs is not None:
            _show_edges(evaluate.edges(files, pairs, output, tta), as_json)
        elif documents is not None:
            _show_edges(_on_documents(files, documents, seed or 0, backgrounds, output, tta), as_json)
        elif images is not None:
            _show_agreement(files, evaluate.agreement((files[0], files[1]), images), as_json)
    except (CalibrationError, PairError, PhotoError, PredictError) as error:
        fail(str(error))


def _on_documents(
    files: list[Path], count: int, first: int, backgrounds: Path | None, output: str | None, tta: bool
) -> tuple[EdgeResult, ...]:
    from archspec.documents import read_pictures
    from archspec.evaluate import documents
    from archspec.train.sources.documents import FIRST

    if first + count > FIRST:
        fail(f"--seed {first} --documents {count}: networks are trained on the seeds from {FIRST:,} on", USAGE)
    return documents(files, range(first, first + count), read_pictures(backgrounds, None), output, tta)


Value = Callable[["EdgeResult"], float | None]

SCORES: dict[str, tuple[str, str, Value]] = {
    "ods": ("ODS", ".4f", lambda r: r.score.ods),
    "ods_threshold": ("at", ".3f", lambda r: r.score.ods_threshold),
    "ois": ("OIS", ".4f", lambda r: r.score.ois),
    "ap": ("AP", ".4f", lambda r: r.score.ap),
    "found": ("found", ".2%", lambda r: getattr(r.corners, "found", None)),
    "wrong": ("wrong", ".2%", lambda r: getattr(r.corners, "wrong", None)),
    "error": ("corner error", ".3%", lambda r: getattr(r.corners, "error", None)),
    "claimed": ("claimed", ".2%", lambda r: getattr(r.corners, "claimed", None)),
}
"""The columns of a score by the key of their difference: header, format, value."""


def _show_edges(results: tuple[EdgeResult, ...], as_json: bool) -> None:
    differences = _differences(results) if len(results) == 2 else None
    if as_json:
        told = {"files": [asdict(r) for r in results], "difference": differences}
        print(json.dumps(told, indent=2, default=str))
    else:
        print(_scores(results, differences), end="")
    for result in results:
        if result.untrained:
            print(f"{result.file} is untrained: its scores mean nothing yet", file=sys.stderr)


def _differences(results: tuple[EdgeResult, ...]) -> dict[str, float | None]:
    """By how much the second file's scores are above the first's; None where one has none."""
    found: dict[str, float | None] = {}
    for key, (_, _, value) in SCORES.items():
        first, second = (value(result) for result in results)
        if key != "ods_threshold":
            found[key] = None if first is None or second is None else second - first
    return found


def _scores(results: tuple[EdgeResult, ...], differences: dict[str, float | None] | None) -> str:
    """A table with a line for each file, and their difference; columns that no file has a value for are left out."""
    from archspec.table import table

    shown = {key: one for key, one in SCORES.items() if any(one[2](result) is not None for result in results)}
    rows = [
        (r.file, r.output, r.score.images, *(_cell(value(r), form) for _, form, value in shown.values()))
        for r in results
    ]
    last: tuple[str, ...] = ()
    if differences is not None:
        last = ("difference", "", "", *(_cell(differences.get(key), f"+{one[1]}", "") for key, one in shown.items()))
    return table(("file", "output", "images", *(header for header, _, _ in shown.values())), rows, last)


def _cell(value: float | None, form: str, none: str = "none") -> str:
    return none if value is None else format(value, form).replace("%", " %")


def _show_agreement(files: list[Path], found: Agreement, as_json: bool) -> None:
    from archspec.table import table

    if as_json:
        told = {"files": [str(file) for file in files], **asdict(found), "share": found.agree / found.images}
        print(json.dumps(told, indent=2, default=str))
        return
    print(f"{found.agree} of {found.images} pictures: the same class first ({100 * found.agree / found.images:.2f} %)")
    rows = [
        (d.image, *(f"{label} ({p:.3f})" for label, p in zip(d.classes, d.probabilities, strict=True)))
        for d in found.differ
    ]
    if rows:
        print("\n" + table(("picture", "first file", "second file"), rows), end="")
