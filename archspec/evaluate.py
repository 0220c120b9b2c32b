"""Measures artifacts on pictures: edge maps and the documents in them, and whether two classifiers agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from archspec.artifact import TensorInfo
from archspec.calibration import pictures
from archspec.documents import Pictures, Settings, sample
from archspec.documents.sample import LEAST
from archspec.metrics import corners
from archspec.metrics.corners import Claim, CornerScore
from archspec.metrics.edges import Counts, EdgeScore, measure, score
from archspec.metrics.thinning import nms, thin
from archspec.pairs import Pair, read_pairs, truth_map
from archspec.photo import InputContract, prepare, read_photo
from archspec.predict import Built, PredictError, edge_probability, load, probabilities, run
from archspec.scan import Found, find_quad, locate
from archspec.spread import spread
from archspec.turns import averaged, turned

if TYPE_CHECKING:
    from PIL import Image

Item = TypeVar("Item")
Bits = NDArray[np.bool_]
Floats = NDArray[np.float64]

PIECES = 64  # of a set of pictures, for processes to share
BATCH = 16  # pictures in a process's memory at a time
LONGEST = 1024  # pixels of an annotation's longer side in which its quadrilateral is looked for


@dataclass(frozen=True, slots=True)
class EdgeResult:
    """How good an artifact's edge map `output` is. `untrained`: its weights were never trained.

    `corners`: how good the documents are that are found by it; None where no picture says if there is one.
    """

    file: Path
    output: str
    untrained: bool
    score: EdgeScore
    corners: CornerScore | None


@dataclass(frozen=True, slots=True)
class _Scene:
    """A photo; the corners of the document in it, in its pixels; its true edges as a network's input has them.

    `told`: whether it is known if there is a document; without corners there is none.
    """

    photo: Image.Image
    corners: Floats | None
    told: bool
    edges: Callable[[InputContract], Bits]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A picture of which two artifacts say different classes first, counted from 0, each with its probability."""

    image: Path
    classes: tuple[int, int]
    probabilities: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """On how many of `images` pictures two artifacts say the same class first, and where they do not."""

    images: int
    agree: int
    differ: tuple[Disagreement, ...]


def edges(
    files: Sequence[Path], pairs: Path, output: str | None = None, tta: bool = False
) -> tuple[EdgeResult, ...]:  # fmt: skip
    """The scores of artifacts, build/NAME/ABI/model.tflite, on the pairs of a CSV (see `read_pairs`).

    `output` names the edge map of each, without it the first in the spec's order. With `tta` a map is the mean of the
    answers to a photo's quarter turns (`archspec.turns`). Maps are thinned by `nms` first.
    An annotation in which `find_quad` finds a quadrilateral is one of a document. Raises PredictError, PhotoError,
    PairError.
    """
    listed = read_pairs(pairs)
    return _scored([load(file) for file in files], output, tta, listed, _annotated)


def documents(
    files: Sequence[Path], seeds: range, given: Pictures = Pictures(), output: str | None = None,  # noqa: B008  frozen
    tta: bool = False,
) -> tuple[EdgeResult, ...]:  # fmt: skip
    """The scores of artifacts on generated photos, of the size of their input, as the seeds name them.

    `given` are backgrounds of the user's own; `output` and `tta` as in `edges`. Raises PredictError.
    """
    built = [load(file) for file in files]
    sizes = [one.contract.size[:2] for one in built]
    for one, size in zip(built, sizes, strict=True):
        if size != sizes[0]:
            a, b = (f"{width}×{height}" for height, width in (size, sizes[0]))
            raise PredictError(f"{one.file} takes {a} pixels and {built[0].file} {b}: they cannot see the same photos")
        if min(size) < LEAST:
            raise PredictError(f"{one.file} takes {size[1]}×{size[0]} pixels: no photos so small are generated")
    return _scored(built, output, tta, seeds, partial(_generated, sizes[0], given))


def _scored(
    built: Sequence[Built], output: str | None, tta: bool, items: Sequence[Item], show: Callable[[Item], _Scene]
) -> tuple[EdgeResult, ...]:
    maps = [_edge_map(one, output) for one in built]

    def judge(batch: Sequence[Item]) -> list[list[Any]]:
        scenes = [show(item) for item in batch]
        judged: list[list[Any]] = [[] for _ in batch]
        for one, info in zip(built, maps, strict=True):
            pixels = np.stack([prepare(scene.photo, one.contract) for scene in scenes])
            answers = run(one, turned(pixels) if tta else pixels)[info.name]
            for own, scene, logits in zip(judged, scenes, averaged(answers) if tta else answers, strict=True):
                own.append(_judged(scene, one.contract, edge_probability(logits[:, :, 0])))
        return judged

    every = _each(items, judge)
    results = []
    for k, (one, info) in enumerate(zip(built, maps, strict=True)):
        claims = [Claim(*said[k][1]) for said in every if said[k][1]]
        found = score(Counts(*said[k][0]) for said in every)
        where = corners.score(claims) if claims else None
        results.append(EdgeResult(one.file, info.name, one.untrained, found, where))
    return tuple(results)


def _judged(scene: _Scene, contract: InputContract, edges: Floats) -> tuple[Any, Any]:
    """The fields of the `Counts` of an edge map, and of the `Claim` of the document in it, if that can be told."""
    counts = astuple(measure(nms(edges), scene.edges(contract)))
    if not scene.told:
        return counts, None
    found = locate(np.asarray(scene.photo), edges, contract.resize)
    where = found.corners if isinstance(found, Found) else None
    return counts, astuple(corners.claim(where, scene.corners, scene.photo.size))


def annotated(pair: Pair) -> tuple[Image.Image, Floats | None]:
    """A photo, and the corners in its pixels of the quadrilateral that its annotation shows, (4, 2), if it shows one.

    Raises PhotoError, PairError.
    """
    photo = read_photo(pair.image)
    share = min(1.0, LONGEST / max(photo.size))
    width, height = (max(1, round(n * share)) for n in photo.size)
    found = find_quad(truth_map(pair.annotation, (height, width), photo=photo.size).astype(np.float32))
    return photo, found.corners * np.array(photo.size) / [width, height] if isinstance(found, Found) else None


def _annotated(pair: Pair) -> _Scene:
    photo, own = annotated(pair)

    def edges(contract: InputContract) -> Bits:
        return truth_map(pair.annotation, contract.size[:2], contract.resize, photo.size)

    return _Scene(photo, own, own is not None, edges)


def _generated(size: tuple[int, int], given: Pictures, seed: int) -> _Scene:
    from PIL import Image

    made = sample(seed, size, Settings(), given)
    return _Scene(Image.fromarray(made.image), made.corners, True, lambda contract: thin(made.edges))


def agreement(files: tuple[Path, Path], images: Path) -> Agreement:
    """Whether two classifying artifacts say the same class first, over all pictures of a folder.

    Raises PredictError, PhotoError, CalibrationError.
    """
    listed = pictures(images)
    built = [load(file) for file in files]
    outputs = [_classes(one) for one in built]
    if outputs[0].shape != outputs[1].shape:
        raise PredictError(f"{files[0]} and {files[1]} have {outputs[0].shape[1]} and {outputs[1].shape[1]} classes")

    def first(batch: Sequence[Path]) -> list[list[tuple[int, float]]]:
        photos = [read_photo(file) for file in batch]
        said: list[list[tuple[int, float]]] = [[] for _ in batch]
        for one, info in zip(built, outputs, strict=True):
            scores = run(one, np.stack([prepare(photo, one.contract) for photo in photos]))[info.name]
            for i, own in enumerate(probabilities(row, info.scale) for row in scores):
                said[i].append((int(own.argmax()), float(own.max())))
        return said

    differ = []
    for file, ((a, p), (b, q)) in zip(listed, _each(listed, first), strict=True):
        if a != b:
            differ.append(Disagreement(file, (a, b), (p, q)))
    return Agreement(len(listed), len(listed) - len(differ), tuple(differ))


def _edge_map(built: Built, name: str | None) -> TensorInfo:
    for info in built.edge_maps:
        if name in (None, info.name):
            return info
    wanted = "edge map of the input's size" if name is None else f"edge map `{name}` of the input's size"
    raise PredictError(f"{built.file}: no {wanted} among its outputs: {built.shapes}")


def _classes(built: Built) -> TensorInfo:
    if not built.class_scores:
        raise PredictError(f"{built.file}: no class scores among its outputs: {built.shapes}")
    return built.class_scores[0]


def _each(items: Sequence[Item], work: Callable[[Sequence[Item]], list[Any]]) -> list[Any]:
    """What `work` answers, in JSON, to each item of a batch; for all items in order, by all cores."""
    pieces = min(PIECES, len(items))

    def piece(k: int) -> list[Any]:
        own = items[k::pieces]
        return [answer for i in range(0, len(own), BATCH) for answer in work(own[i : i + BATCH])]

    # a piece that failed is tried again here, where its exception is heard
    done = [piece(k) if answers is None else answers for k, answers in enumerate(spread(pieces, piece))]
    return [done[i % pieces][i // pieces] for i in range(len(items))]
