"""Runs a built artifact on a photo: edges and the document within them, objects, or the five likeliest classes."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

from archspec.artifact import ArtifactError, TensorInfo, inspect_tflite, run_tflite
from archspec.files import reason, write_all
from archspec.objects import SeenObject, seen
from archspec.objects import picture as objects_picture
from archspec.photo import InputContract, PhotoError, prepare, read_photo, windows
from archspec.scan.files import Document, ScanFiles, scan
from archspec.turns import averaged, turned

if TYPE_CHECKING:
    from PIL import Image

Floats = NDArray[np.float32]

TOP = 5  # classes reported
PANEL = 480  # pixels of height of each panel of the edge picture, unless it gets too wide
GAP = 12  # white pixels between panels
EDGE_COLOUR = (255, 64, 32)


class PredictError(Exception):
    """An artifact, a manifest, a photo or a list of labels that cannot be used; names the file."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """A class, counted from 0 in the output's order; `label` is None without a list of labels."""

    index: int
    label: str | None
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an artifact says about a photo.

    `edges`: `picture` is the file written, `edge_share` the part of pixels with a logit above 0, `document` what was
    found by them.
    `objects`: `picture` is the file written, `objects` holds them, best first.
    `classes`: `classes` holds the likeliest, best first.
    `untrained`: the weights were never trained, so that the answer means nothing.
    """

    model: str
    task: Literal["edges", "objects", "classes"]
    untrained: bool
    picture: Path | None = None
    edge_share: float | None = None
    document: Document | None = None
    objects: tuple[SeenObject, ...] = ()
    classes: tuple[ClassScore, ...] = ()


def predict(
    file: Path, image: Path, out: Path | None = None, labels: Path | None = None, files: ScanFiles = ScanFiles(),  # noqa: B008
    tta: bool = False,
) -> Prediction:  # fmt: skip
    """Run `file`, build/NAME/ABI/model.tflite, on `image` as build/NAME/manifest.json says.

    Of a file without `nms` the first output in the spec's order that is an edge map of the input's size, else class
    scores, is what it says.

    The picture of edges or objects, a PNG, goes to `out`, by default IMAGE.NAME.edges.png or IMAGE.NAME.objects.png in
    the current folder; `files` are written of the document. `labels` names one class a line. With `tta` edges are the
    mean of the answers to the photo's quarter turns (`archspec.turns`). Raises PredictError for whatever cannot be
    read or understood, OSError if a file cannot be written; then none is.
    """
    built = load(file)
    if tta and (built.boxes or not built.edge_maps):
        raise PredictError(f"{file} gives no edge map, and only these are averaged over a photo's turns")
    try:
        photo = read_photo(image)
    except PhotoError as error:
        raise PredictError(str(error)) from error
    pixels = prepare(photo, built.contract)[None]
    answers = run(built, turned(pixels) if tta else pixels)
    if built.boxes:
        _refuse_files(files, f"{file} gives objects")
        drawn = _picture(out or Path(f"{image.stem}.{built.name}.objects.png"))
        objects = _objects(answers, photo, built.contract, labels)
        write_all({drawn: objects_picture(photo, objects)})
        return Prediction(built.name, "objects", built.untrained, drawn, objects=objects)
    if edges := built.edge_maps:
        _refuse(labels, f"{file} gives an edge map, which has no labels")
        picture = out or Path(f"{image.stem}.{built.name}.edges.png")
        maps = answers[edges[0].name]
        return _edges(built, photo, (averaged(maps) if tta else maps)[0, :, :, 0], picture, files)
    if classes := built.class_scores:
        _refuse(out, f"{file} gives class scores, so there is no picture to write")
        _refuse_files(files, f"{file} gives class scores")
        scores = probabilities(answers[classes[0].name][0], classes[0].scale)
        return Prediction(built.name, "classes", built.untrained, classes=top_classes(scores, labels))
    raise PredictError(f"{file}: no edge map of the input's size and no class scores among its outputs: {built.shapes}")


def _edges(built: Built, photo: Image.Image, logits: Floats, picture: Path, files: ScanFiles) -> Prediction:
    """Write all that is wanted of an edge map, and tell it."""
    pictures = [_picture(path) for path in (picture, files.overlay, files.page) if path]
    every = [path.resolve() for path in (*pictures, *filter(None, [files.corners]))]
    if twice := next((path for path in every if every.count(path) > 1), None):
        raise PredictError(f"{twice}: two files of that name are to be written")
    resize = built.contract.resize
    document, made = scan(np.asarray(photo), edge_probability(logits), resize, files)
    write_all({picture: edge_picture(photo, logits, resize), **made})
    return Prediction(built.name, "edges", built.untrained, picture, float(np.mean(logits > 0)), document)


def _objects(
    answers: dict[str, Floats], photo: Image.Image, contract: InputContract, labels: Path | None
) -> tuple[SeenObject, ...]:  # fmt: skip
    names = None if labels is None else _labels(labels)
    try:
        return seen(answers, photo.size, contract, names)
    except IndexError:
        raise PredictError(f"{labels}: {len(names or ())} labels, and the file gives more classes") from None


def _picture(path: Path) -> Path:
    if path.suffix.lower() != ".png":
        raise PredictError(f"{path}: the picture is a PNG, so its name must end in .png")
    return path


def _refuse_files(files: ScanFiles, what: str) -> None:
    for wanted in (files.corners, files.overlay, files.page):
        _refuse(wanted, f"{what}, so there is no document to write")


def _refuse(option: Path | None, why: str) -> None:
    if option is not None:
        raise PredictError(f"{option}: {why}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the manifest says of an artifact: how it is fed, its outputs in order, whether its weights are untrained.

    Where `boxes` they are those of objects, see `nms.tail`.
    """

    contract: InputContract
    outputs: tuple[str, ...]
    untrained: bool
    boxes: bool


@dataclass(frozen=True, slots=True)
class Built:
    """An artifact and the manifest's word on it; `outputs` are in the spec's order, which a .tflite file loses."""

    file: Path
    data: bytes
    contract: InputContract
    outputs: tuple[TensorInfo, ...]
    untrained: bool
    boxes: bool

    @property
    def name(self) -> str:
        """The model's."""
        return self.file.resolve().parent.parent.name

    @property
    def edge_maps(self) -> tuple[TensorInfo, ...]:
        """The outputs that are maps of the input's size, one logit a pixel."""
        return tuple(info for info in self.outputs if info.shape == (1, *self.contract.size[:2], 1))

    @property
    def class_scores(self) -> tuple[TensorInfo, ...]:
        """The outputs that score classes: none where boxes come out, each with a class and a score of its own."""
        return () if self.boxes else tuple(info for info in self.outputs if len(info.shape) == 2)

    @property
    def shapes(self) -> str:
        """The outputs for people."""
        return ", ".join(f"{info.name} {'×'.join(map(str, info.shape))}" for info in self.outputs)


def load(file: Path) -> Built:
    """An artifact, build/NAME/ABI/model.tflite, with what build/NAME/manifest.json says of it. Raises PredictError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise PredictError(f"{file}: {reason(error)}") from error
    entry = read_manifest(file.resolve().parent.parent / "manifest.json", data)
    try:
        outputs = {info.name: info for info in inspect_tflite(data).outputs}
    except ArtifactError as error:
        raise PredictError(f"{file}: {error}") from error
    if missing := [name for name in entry.outputs if name not in outputs]:
        raise PredictError(f"{file}: no output `{missing[0]}`, which its manifest lists")
    infos = tuple(outputs[name] for name in entry.outputs)
    return Built(file, data, entry.contract, infos, entry.untrained, entry.boxes)


def run(built: Built, images: Floats) -> dict[str, Floats]:
    """What an artifact answers to images as its contract has them, as `run_tflite`. Raises PredictError."""
    try:
        return run_tflite(built.data, images)
    except ArtifactError as error:
        raise PredictError(f"{built.file}: {error}") from error


def read_manifest(path: Path, artifact: bytes) -> Entry:
    """The manifest's word on one of its artifacts, which it knows by its digest. Raises PredictError."""
    try:
        manifest = json.loads(path.read_bytes())
        weights = manifest["weights"]
        if weights != "untrained" and not isinstance(weights, dict):
            raise ValueError(f"weights {weights!r}")
        digest = hashlib.sha256(artifact).hexdigest()
        entry = next((e for e in manifest["artifacts"] if e["sha256"] == digest), None)
        if entry is None:
            raise PredictError(f"{path} lists no such artifact: the file was changed since, or is of another build")
        outputs = tuple(str(output["name"]) for output in entry["outputs"])
        contract = InputContract.from_manifest(entry["input"])
        return Entry(contract, outputs, weights == "untrained", entry["nms"] is not None)
    except OSError as error:
        raise PredictError(f"{path}: {reason(error)}; `archspec build` writes it above the ABI's folder") from error
    except KeyError as error:
        raise PredictError(f"{path}: the manifest has no {error}") from error
    except (TypeError, ValueError) as error:
        raise PredictError(f"{path}: broken manifest: {error}") from error


def edge_probability(logits: Floats) -> NDArray[np.float64]:
    """Logits of edges as probabilities."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -60, 60))))


def edge_picture(photo: Image.Image, logits: Floats, resize: str) -> bytes:
    """A PNG: the photo, the edge probability (black 0, white 1), and the edges laid over the photo."""
    from PIL import Image

    height, width = logits.shape
    part, filled = windows(photo.size, (width, height), resize)
    across, down = part[2] - part[0], part[3] - part[1]
    scale = min(PANEL / down, 3 * PANEL / across)  # a strip of a photo must not make a picture of gigabytes
    size = (max(1, round(across * scale)), max(1, round(down * scale)))
    seen = photo.resize(size, Image.Resampling.LANCZOS, box=part)
    grey = Image.fromarray(np.rint(edge_probability(logits) * 255).astype(np.uint8))
    grey = grey.resize(size, Image.Resampling.BICUBIC, box=filled)
    faded = Image.blend(seen, Image.new("RGB", size, "white"), 0.35)
    overlay = Image.composite(Image.new("RGB", size, EDGE_COLOUR), faded, grey)
    sheet = Image.new("RGB", (3 * size[0] + 4 * GAP, size[1] + 2 * GAP), "white")
    for i, panel in enumerate((seen, grey.convert("RGB"), overlay)):
        sheet.paste(panel, (GAP + i * (size[0] + GAP), GAP))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def probabilities(scores: Floats, step: float | None) -> Floats:
    """Class scores (classes,) as probabilities: softmax, unless they are a distribution already.

    They are one if all lie in 0..1 and sum to 1, give or take half a quantization `step` for each class.
    """
    slack = 1e-3 + scores.size * (step or 0) / 2
    if scores.min() >= 0 and scores.max() <= 1 and abs(float(scores.sum()) - 1) <= slack:
        return scores
    powers = np.exp(scores - scores.max())
    return cast(Floats, powers / powers.sum())


def top_classes(probability: Floats, labels: Path | None) -> tuple[ClassScore, ...]:
    """The likeliest classes, best first. `labels` names one class a line. Raises PredictError."""
    names = None if labels is None else _labels(labels)
    if names is not None and len(names) != probability.size:
        raise PredictError(f"{labels}: {len(names)} labels for {probability.size} classes")
    best = np.argsort(-probability, kind="stable")[:TOP]
    return tuple(ClassScore(int(i), names[i] if names else None, float(probability[i])) for i in best)


def _labels(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise PredictError(f"{file}: {reason(error)}") from error
