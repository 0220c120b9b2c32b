"""Fits what the finder of documents weighs, `WEIGHTS` and `BIAS` of archspec/scan/quads.py, on generated photos.

python benchmarks/finder.py build/mobilenet_v2_hed/x86_64/model.tflite build/unet_edges/x86_64/model.tflite

Each photo, as each file sees it, is a choice between the quadrilaterals of its edge map and none of them: multinomial
logistic regression, where those that are right share one probability. The photos are none of those that `archspec eval`
measures on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import minimize

from archspec.documents import sample
from archspec.photo import prepare
from archspec.predict import edge_probability, load, run
from archspec.scan.find import contenders, sharpened
from archspec.scan.follow import follow
from archspec.scan.lines import lines
from archspec.scan.plane import corner_error
from archspec.scan.quads import candidates, evidence

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]

FIRST, PHOTOS, FOLDS = 5_000_000, 800, 5  # seeds; parts for cross-validation
NEAR = 0.02  # of the diagonal, from each true corner: found
CONTENDERS = 40  # quadrilaterals of a photo to choose from
SHRINK = 1.0  # ridge penalty on the weights

Photo = tuple[Floats, Bits, bool]  # the evidence, ending in 1 for the bias; which are right; if there is a document


def photos(file: Path) -> Iterator[Photo]:
    """What the finder sees in each photo: the evidence for the best of its quadrilaterals."""
    built = load(file)
    size, output = (built.contract.size[0], built.contract.size[1]), built.edge_maps[0].name
    for seed in range(FIRST, FIRST + PHOTOS):
        shown = sample(seed, size)
        pixels = prepare(Image.fromarray(shown.image), built.contract)[None]
        known = sharpened(edge_probability(run(built, pixels)[output][0, :, :, 0]).astype(np.float32))
        found = candidates(lines(known), size)
        if not len(found):
            yield np.zeros((0, 7)), np.zeros(0, bool), shown.corners is not None
            continue
        refined = contenders(found, known, CONTENDERS)
        limit = NEAR * float(np.hypot(*size))
        right = [shown.corners is not None and corner_error(follow(q, known), shown.corners) <= limit for q in refined]
        figures = np.column_stack([evidence(refined, known), np.ones(len(refined))])
        yield figures, np.array(right), shown.corners is not None


def _loss(weights: Floats, seen: Sequence[Photo]) -> tuple[float, Floats]:
    """The negative logarithm of the likelihood with the penalty, and its gradient."""
    shrunk = SHRINK * np.append(weights[:-1], 0)
    loss, gradient = float(shrunk @ weights) / 2, shrunk
    for known, right, _ in seen:
        marks = np.append(known @ weights, 0)  # the last is that of none
        share = np.exp(marks - marks.max())
        share /= share.sum()
        true = np.append(right, not right.any())
        loss -= float(np.log(share[true].sum()))
        pull = share - np.where(true, share, 0) / share[true].sum()
        gradient = gradient + known.T @ pull[:-1]
    return loss, gradient


def fit(seen: Sequence[Photo]) -> Floats:
    return np.asarray(minimize(_loss, np.zeros(7), args=(seen,), jac=True, method="L-BFGS-B").x)


def shares(judged: Sequence[tuple[Photo, Floats]], threshold: float) -> tuple[float, float, float]:
    """Of the documents those found and found wrong, and of the photos without one those claimed to have one."""
    found, wrong, claimed = 0, 0, 0
    for (known, right, document), weights in judged:
        marks = known @ weights
        if len(marks) and 1 / (1 + np.exp(-marks.max())) >= threshold:
            good = right[int(np.argmax(marks))]
            found, wrong, claimed = found + good, wrong + (document and not good), claimed + (not document)
    there = sum(document for (_, _, document), _ in judged)
    return found / there, wrong / there, claimed / max(1, len(judged) - there)


def main() -> int:
    seen = [one for file in sys.argv[1:] for one in photos(Path(file))]
    there = sum(document for *_, document in seen)
    print(f"{there} documents, {sum(right.any() for _, right, _ in seen) / there:.4f} among the candidates")
    judged = []
    for fold in range(FOLDS):
        weights = fit([one for k, one in enumerate(seen) if k % FOLDS != fold])
        judged += [(one, weights) for k, one in enumerate(seen) if k % FOLDS == fold]
    for threshold in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5):
        found, wrong, claimed = shares(judged, threshold)
        print(f"from {threshold}: found {found:.4f}, wrong {wrong:.4f}, claimed where there is none {claimed:.4f}")
    weights = fit(seen)
    print("WEIGHTS, BIAS =", [round(float(one), 2) for one in weights[:-1]], round(float(weights[-1]), 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
