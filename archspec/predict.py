"""Runs a built artifact on a photo: an edge picture, or the five likeliest classes."""

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
from archspec.files import reason, write_whole
from archspec.photo import InputContract, PhotoError, prepare, read_photo, windows

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

    `edges`: `picture` is the file written, `edge_share` the part of pixels with a logit above 0.
    `classes`: `classes` holds the likeliest, best first.
    `untrained`: the weights were never trained, so that the answer means nothing.
    """

    model: str
    task: Literal["edges", "classes"]
    untrained: bool
    picture: Path | None = None
    edge_share: float | None = None
    classes: tuple[ClassScore, ...] = ()


def predict(file: Path, image: Path, out: Path | None, labels: Path | None) -> Prediction:
    """Run `file`, build/NAME/ABI/model.tflite, on `image` as build/NAME/manifest.json says.

    The first output in the spec's order that is an edge map of the input's size, else class scores, is what it says.

    The edge picture, a PNG, goes to `out`, by default IMAGE.NAME.edges.png in the current folder. `labels`
    names one class a line. Raises PredictError for whatever cannot be read or understood, OSError if the
    picture cannot be written.
    """
    folder = file.resolve().parent.parent
    name = folder.name
    try:
        data = file.read_bytes()
    except OSError as error:
        raise PredictError(f"{file}: {reason(error)}") from error
    built = read_manifest(folder / "manifest.json", data)
    contract, untrained = built.contract, built.untrained
    try:
        photo = read_photo(image)
        outputs, answers = _run(data, built.outputs, prepare(photo, contract))
    except PhotoError as error:
        raise PredictError(str(error)) from error
    except ArtifactError as error:
        raise PredictError(f"{file}: {error}") from error
    for info in outputs:
        if info.shape == (1, *contract.size[:2], 1):
            _refuse(labels, f"{file} gives an edge map, which has no labels")
            picture = out or Path(f"{image.stem}.{name}.edges.png")
            if picture.suffix.lower() != ".png":
                raise PredictError(f"{picture}: the picture is a PNG, so its name must end in .png")
            logits = answers[info.name][0, :, :, 0]
            write_whole(picture, edge_picture(photo, logits, contract.resize))
            return Prediction(name, "edges", untrained, picture, float(np.mean(logits > 0)))
    for info in outputs:
        if len(info.shape) == 2:
            _refuse(out, f"{file} gives class scores, so there is no picture to write")
            scores = probabilities(answers[info.name][0], info.scale)
            return Prediction(name, "classes", untrained, classes=top_classes(scores, labels))
    shapes = ", ".join(f"{info.name} {'×'.join(map(str, info.shape))}" for info in outputs)
    raise PredictError(f"{file}: no edge map of the input's size and no class scores among its outputs: {shapes}")


def _refuse(option: Path | None, why: str) -> None:
    if option is not None:
        raise PredictError(f"{option}: {why}")


def _run(data: bytes, order: tuple[str, ...], image: Floats) -> tuple[tuple[TensorInfo, ...], dict[str, Floats]]:
    """The outputs in the spec's order, which a .tflite file loses, and its answer. Raises ArtifactError."""
    outputs = {info.name: info for info in inspect_tflite(data).outputs}
    if missing := [name for name in order if name not in outputs]:
        raise ArtifactError(f"no output `{missing[0]}`, which its manifest lists")
    return tuple(outputs[name] for name in order), run_tflite(data, image[None])


@dataclass(frozen=True, slots=True)
class Built:
    """What the manifest says of an artifact: how it is fed, its outputs in order, whether its weights are untrained."""

    contract: InputContract
    outputs: tuple[str, ...]
    untrained: bool


def read_manifest(path: Path, artifact: bytes) -> Built:
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
        return Built(InputContract.from_manifest(entry["input"]), outputs, weights == "untrained")
    except OSError as error:
        raise PredictError(f"{path}: {reason(error)}; `archspec build` writes it above the ABI's folder") from error
    except KeyError as error:
        raise PredictError(f"{path}: the manifest has no {error}") from error
    except (TypeError, ValueError) as error:
        raise PredictError(f"{path}: broken manifest: {error}") from error


def edge_picture(photo: Image.Image, logits: Floats, resize: str) -> bytes:
    """A PNG: the photo, the edge probability (black 0, white 1), and the edges laid over the photo."""
    from PIL import Image

    height, width = logits.shape
    part, filled = windows(photo.size, (width, height), resize)
    across, down = part[2] - part[0], part[3] - part[1]
    scale = min(PANEL / down, 3 * PANEL / across)  # a strip of a photo must not make a picture of gigabytes
    size = (max(1, round(across * scale)), max(1, round(down * scale)))
    seen = photo.resize(size, Image.Resampling.LANCZOS, box=part)
    probability = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -60, 60)))
    grey = Image.fromarray(np.rint(probability * 255).astype(np.uint8))
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
    names: list[str] | None = None
    if labels is not None:
        try:
            names = labels.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise PredictError(f"{labels}: {reason(error)}") from error
        if len(names) != probability.size:
            raise PredictError(f"{labels}: {len(names)} labels for {probability.size} classes")
    best = np.argsort(-probability, kind="stable")[:TOP]
    return tuple(ClassScore(int(i), names[i] if names else None, float(probability[i])) for i in best)
