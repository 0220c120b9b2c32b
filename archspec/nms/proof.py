"""Whether boxes that a file gives are those of its heads after non-maximum suppression, as far as floats can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.artifact import run_tflite
from archspec.claims import ClaimError
from archspec.detection.anchors import AnchorError, Heads, heads_of
from archspec.detection.boxes import overlaps
from archspec.detection.found import Objects, candidates
from archspec.graph import Graph
from archspec.nms.tail import BOXES, CLASSES, COUNT, SCORES, suppressing
from archspec.spec import Nms

ROUNDING = 1e-4
"""Of scores, shares of a side and overlaps: exponentials in float32 here, by other code there. Measured on 20 photos by
ssd_documents: 1.2e-7."""


def suppressed(data: bytes, graph: Graph, nms: Nms, images: NDArray[np.float32]) -> bytes:
    """The file with boxes in the place of its heads, which are held to each other on `images` in model units.

    Raises ClaimError where the boxes are not those of the heads, or there are no heads; ArtifactError.
    """
    try:
        heads = heads_of(graph)
    except AnchorError as error:
        raise ClaimError(f"nms: {error}") from error
    made = suppressing(data, heads, nms)
    maps, said = run_tflite(data, images), run_tflite(made, images)
    for number in range(len(images)):
        given = objects_of({name: answer[number] for name, answer in said.items()})
        problem = disagreement(heads, {name: answer[number] for name, answer in maps.items()}, given, nms)
        if problem:
            raise ClaimError(f"nms of image {number + 1}: {problem}")
    return made


def objects_of(said: Mapping[str, NDArray[Any]]) -> Objects:
    """What the outputs `tail.OUTPUTS` for one image name, without the zeros behind. Raises KeyError for others."""
    count = round(float(said[COUNT].reshape(-1)[0]))
    boxes, scores, classes = said[BOXES].reshape(-1, 4), said[SCORES].reshape(-1), said[CLASSES].reshape(-1)
    return Objects(boxes[:count], scores[:count], np.rint(classes[:count]).astype(np.int64))


def disagreement(heads: Heads, outputs: Mapping[str, NDArray[Any]], given: Objects, nms: Nms) -> str | None:
    """Why `given` is not what suppression leaves of one image's head `outputs`; None where it is.

    Of boxes with the same score any may go first, and a rounding decides which of two stays whose overlap is just the
    limit: other code than `found` may decide otherwise and be right. So each box given has to be an anchor's, none may
    double another one, and each likely box that is not given has to have a better one over it, or no room.
    """
    boxes, scores = candidates(heads, outputs)
    if len(given.scores) > nms.most or (np.diff(given.scores) > 0).any():
        return "more boxes than there may be, or not the best ones first"
    for label in range(heads.classes - 1):
        mine = given.classes == label
        problem = _of_class(boxes, scores[:, label + 1], given.boxes[mine], given.scores[mine], given, nms)
        if problem:
            return f"class {label}: {problem}"
    outside = (given.classes < 0) | (given.classes >= heads.classes - 1)
    return f"class {given.classes[outside][0]} is none" if outside.any() else None


def _of_class(
    boxes: NDArray[Any], scores: NDArray[Any], stay: NDArray[Any], best: NDArray[Any], given: Objects, nms: Nms
) -> str | None:  # fmt: skip
    """As `disagreement`, of one class: `stay` and `best` are its boxes and scores among those given."""
    far = np.abs(stay[:, None] - boxes[None]).max(-1) + np.abs(best[:, None] - scores[None])
    if len(stay) and far.min(1).max() > ROUNDING:
        return f"a box that no anchor gives, {far.min(1).max():.3g} off"
    if (best < nms.score - ROUNDING).any():
        return f"a score of {best.min():.3g}, under {nms.score}"
    double = overlaps(stay, stay) - np.eye(len(stay)) if len(stay) else np.zeros((0, 0))
    if (double > nms.overlap + ROUNDING).any():
        return f"two boxes overlap by {double.max():.3g}"
    over = (overlaps(boxes, stay) > nms.overlap - ROUNDING) & (best[None] >= scores[:, None] - ROUNDING)
    full = len(given.scores) == nms.most
    room = given.scores[-1] + ROUNDING if full else nms.score + ROUNDING
    left = ~over.any(1) & (scores > room)
    return f"a box with the score {scores[left].max():.3g} is left out" if left.any() else None
