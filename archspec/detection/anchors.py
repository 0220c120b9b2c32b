"""The anchors of an SSD, as its rows describe them.

Sources: SSD, Liu et al. 2015 (arXiv 1512.02325), section 2.2; the variances 0.1 and 0.2 are those of its released code.
Boxes are (n, 4) as top, left, bottom, right in shares of the input's sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.graph import Graph

Floats = NDArray[np.float32]

CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
HEAD = "SSDHead"


class AnchorError(Exception):
    """Outputs that are not the heads of an SSD; says why."""


@dataclass(frozen=True)
class Heads:
    """The outputs of an SSD in pairs: maps of boxes and of classes, and the anchors of all maps in their order.

    A map (height, width, anchors · values) gives its anchors pixel by pixel, row by row. `classes` counts the
    background, class 0.
    """

    boxes: tuple[str, ...]
    scores: tuple[str, ...]
    anchors: Floats
    classes: int


def heads_of(graph: Graph) -> Heads:
    """The heads of a network: outputs of `SSDHead` rows, those of 4 values paired with those of classes, in order.

    Raises AnchorError.
    """
    rows = {row.name: row for row in graph.rows}
    heads = [(name, rows.get(name)) for name, _ in graph.outputs]
    odd = next((name for name, row in heads if row is None or row.block != HEAD), None)
    if odd is not None:
        raise AnchorError(f"output `{odd}` is no `{HEAD}` row")
    half = len(heads) // 2
    boxes, scores = heads[:half], heads[half:]
    values = {row.options["values"] for _, row in scores if row}
    if len(boxes) != len(scores) or len(values) != 1 or {r.options["values"] for _, r in boxes if r} != {4}:
        raise AnchorError("an SSD gives maps of boxes (`values: 4`), then as many maps of classes")
    made = []
    for (name, box), (other, score) in zip(boxes, scores, strict=True):
        assert box is not None
        assert score is not None
        alike = ("scale", "ratios", "between")
        if box.output.shape[:2] != score.output.shape[:2] or any(
            box.options.get(key) != score.options.get(key) for key in alike
        ):
            raise AnchorError(f"`{name}` and `{other}` are not of the same anchors")
        ratios = box.options.get("ratios", (1.0, 2.0, 0.5))
        made.append(grid(box.output.shape[:2], box.options["scale"], ratios, box.options.get("between")))
    names = tuple(name for name, _ in boxes), tuple(name for name, _ in scores)
    return Heads(*names, np.concatenate(made), values.pop())


def grid(size: Sequence[int], scale: float, ratios: Sequence[float], between: float | None) -> Floats:
    """The anchors of a map of (height, width): one of area scale² for each ratio, width over height, at each pixel's
    centre; and a square of side `between`.
    """
    height, width = size
    sides = [(scale / np.sqrt(r), scale * np.sqrt(r)) for r in ratios] + ([(between, between)] if between else [])
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    centres = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1)[:, :, None]
    half = np.array(sides)[None, None] / 2
    return np.concatenate([centres - half, centres + half], -1).reshape(-1, 4).astype(np.float32)


def encode(boxes: Floats, anchors: Floats) -> Floats:
    """What a network is to say at each anchor (n, 4) for a box (n, 4): offsets of centre and size."""
    (centre, size), (middle, side) = _centred(boxes), _centred(anchors)
    offset = (centre - middle) / side / CENTRE_VARIANCE
    growth = np.log(np.maximum(size, 1e-6) / side) / SIZE_VARIANCE
    return np.concatenate([offset, growth], -1).astype(np.float32)


def decode(given: Floats, anchors: Floats) -> Floats:
    """The boxes that a network says, the reverse of `encode`."""
    middle, side = _centred(anchors)
    centre = given[..., :2] * CENTRE_VARIANCE * side + middle
    half = np.exp(np.clip(given[..., 2:] * SIZE_VARIANCE, -10, 10)) * side / 2
    return np.concatenate([centre - half, centre + half], -1).astype(np.float32)


def _centred(boxes: Floats) -> tuple[NDArray[Any], NDArray[Any]]:
    return (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
