"""Other things in a photo: papers, keyboards, phones, pens, cups, cables, frames, and fingers over a border."""

from __future__ import annotations

import numpy as np

from archspec.documents.draw import (
    Field,
    Picture,
    Points,
    Random,
    blur,
    colour,
    lay,
    polygon,
    rectangle,
    smooth,
    stroke,
)
from archspec.scan.plane import UNIT, apply, homography

SEEN = 0.5  # of a side's length, that nothing hides
SKIN = ((255, 219, 192), (241, 194, 160), (224, 172, 125), (198, 134, 96), (141, 85, 54), (92, 58, 40))


def clutter(random: Random, scene: Picture, papers: bool) -> None:
    """Draw a few things on a surface, before the document; other papers only if `papers`, as they are documents too."""
    kinds = [_keyboard, _device, _pen, _cup, _cable, _pen, _edge, _cable]
    if papers:
        kinds += [_paper, _paper, _paper, _frame]
    for _ in range(int(random.integers(1, 5))):
        kinds[int(random.integers(len(kinds)))](random, scene)


def _put(random: Random, scene: Picture, mask: Field, tone: Picture | Field | float) -> None:
    """Lay a thing down with a shadow beside it."""
    shadow(random, scene, mask, random.uniform(0, 0.5))
    lay(scene, mask, tone)


def shadow(random: Random, scene: Picture, mask: Field, strength: float) -> None:
    """The shadow that a thing throws where it lies: a soft copy of it, a little to one side."""
    unit = min(mask.shape) / 256
    reach = random.uniform(0.5, 5) * unit
    moved = np.roll(mask, np.rint(random.uniform(-reach, reach, 2)).astype(int), (0, 1))
    scene *= (1 - np.float32(strength) * blur(moved, reach))[..., None]


def _spot(random: Random, scene: Picture, rim: float = 0.2) -> Points:
    """A place near the picture's rim, at most `rim` of its side from it."""
    place = random.uniform(-0.05, 1.05, 2)
    place[int(random.integers(2))] = random.choice([random.uniform(-0.1, rim), random.uniform(1 - rim, 1.1)])
    return np.asarray(place * scene.shape[1::-1])


def _paper(random: Random, scene: Picture) -> None:
    """Another sheet, cut by the frame: a whole one would be a document too."""
    size, unit = scene.shape[:2], min(scene.shape[:2])
    sides = (random.uniform(0.3, 0.9) * unit, random.uniform(0.3, 1.2) * unit)
    centre, turn = _spot(random, scene, 0.06), random.normal(0, 0.5)
    tone = colour(random, (0, 0.12), (0.7, 1)) if random.random() < 0.7 else colour(random, (0.2, 0.9), (0.2, 1))
    _put(random, scene, polygon(rectangle(centre, sides, turn), size), tone)
    if random.random() < 0.7:
        ink = tone * np.float32(random.uniform(0.3, 0.8))
        cos, sin = np.cos(turn), np.sin(turn)
        for down in np.arange(-0.42, 0.42, random.uniform(0.04, 0.1)):
            ends = np.array([[-0.4, down], [random.uniform(-0.2, 0.42), down]]) * sides
            ends = centre + ends @ np.array([[cos, sin], [-sin, cos]])
            lay(scene, stroke(ends, 0.006 * unit, size) * np.float32(0.7), ink)


def _keyboard(random: Random, scene: Picture) -> None:
    """Rows of keys in a case, in perspective."""
    size, unit = scene.shape[:2], min(scene.shape[:2])
    centre, turn = _spot(random, scene), random.normal(0, 0.3)
    sides = np.array([random.uniform(0.7, 1.6), random.uniform(0.25, 0.5)]) * unit
    outline = rectangle(centre, (sides[0], sides[1]), turn)
    squeeze = random.uniform(0, 0.15) * (outline[2] - outline[1])
    matrix = homography(UNIT, np.array([outline[2] - squeeze, outline[3] + squeeze, outline[0], outline[1]]))
    case, key = colour(random, (0, 0.15), (0.05, 1)), colour(random, (0, 0.15), (0.05, 1))
    _put(random, scene, polygon(apply(matrix, UNIT), size), case)
    rows, columns = int(random.integers(4, 7)), int(random.integers(10, 18))
    keys = np.zeros(size, np.float32)
    for row in range(rows):
        shift = random.uniform(0, 0.5)
        for column in range(columns):
            place = np.array([0.03, 0.08]) + np.array([0.94, 0.84]) * np.array(
                [(column + shift) / (columns + 0.5), row / rows]
            )
            corners = place + UNIT * np.array([0.8, 0.78]) * np.array([0.94 / (columns + 0.5), 0.84 / rows])
            keys = np.maximum(keys, polygon(apply(matrix, corners), size))
    lay(scene, keys, key)


def _device(random: Random, scene: Picture) -> None:
    """A phone, tablet or laptop's corner: a dark rounded plate with a lighter rim."""
    size, unit = scene.shape[:2], min(scene.shape[:2])
    sides = (random.uniform(0.2, 0.5) * unit, random.uniform(0.45, 1.0) * unit)
    centre, turn, radius = _spot(random, scene), random.uniform(-1.6, 1.6), 0.03 * unit
    _put(random, scene, polygon(rectangle(centre, sides, turn, radius), size), colour(random, (0, 0.2), (0.1, 0.8)))
    rim = random.uniform(0.01, 0.04) * unit
    inner = rectangle(centre, (sides[0] - rim, sides[1] - 2 * rim), turn, 0.02 * unit)
    lay(scene, polygon(inner, size), colour(random, (0, 0.6), (0.0, 0.3)))


def _pen(random: Random, scene: Picture) -> None:
    unit = min(scene.shape[:2])
    start, angle = _spot(random, scene), random.uniform(0, 6.28)
    ends = start + random.uniform(0.3, 0.6) * unit * np.array([[0, 0], [np.cos(angle), np.sin(angle)]])
    width = random.uniform(0.012, 0.04) * unit
    _put(random, scene, stroke(ends, width, scene.shape[:2]), colour(random, (0, 1), (0, 1)))
    lay(scene, stroke(ends, width / 3, scene.shape[:2]) * np.float32(0.4), 255.0)


def _cup(random: Random, scene: Picture) -> None:
    """A cup or plate from above: rings."""
    centre, radius = _spot(random, scene), random.uniform(0.08, 0.3) * min(scene.shape[:2])
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    ring = np.stack([np.cos(turn), random.uniform(0.7, 1) * np.sin(turn)], axis=1)
    _put(random, scene, polygon(centre + radius * ring, scene.shape[:2]), colour(random, (0, 0.7), (0.2, 1)))
    lay(
        scene,
        polygon(centre + random.uniform(0.6, 0.92) * radius * ring, scene.shape[:2]),
        colour(random, (0, 0.8), (0.05, 1)),
    )


def _cable(random: Random, scene: Picture) -> None:
    knots = random.uniform(-0.2, 1.2, (5, 2)) * scene.shape[1::-1]
    t = np.linspace(0, 1, 60)[:, None]
    weights = (1, 4, 6, 4, 1)  # a Bézier curve of degree 4
    curve = sum(w * t**k * (1 - t) ** (4 - k) * knots[k] for k, w in enumerate(weights))
    width = random.uniform(0.006, 0.02) * min(scene.shape[:2])
    _put(random, scene, stroke(np.asarray(curve), width, scene.shape[:2]), colour(random, (0, 0.5), (0, 1)))


def _edge(random: Random, scene: Picture) -> None:
    """A straight edge or strip across the picture."""
    ends = random.uniform(-0.1, 1.1, (2, 2)) * scene.shape[1::-1]
    far = 3 * (ends[1] - ends[0])
    width = random.uniform(0.004, 0.05) * min(scene.shape[:2])
    tone = colour(random, (0, 0.5), (0, 1))
    lay(
        scene,
        stroke(np.array([ends[0] - far, ends[1] + far]), width, scene.shape[:2]) * np.float32(random.uniform(0.3, 1)),
        tone,
    )


def _frame(random: Random, scene: Picture) -> None:
    """A desk pad or tray that the document lies within: a rectangle around the middle."""
    height, width = scene.shape[:2]
    middle = np.array([width, height]) * random.uniform(0.4, 0.6, 2)
    sides = (random.uniform(0.9, 1.5) * width, random.uniform(0.9, 1.5) * height)
    mask = polygon(rectangle(middle, sides, random.normal(0, 0.1), 0.02 * width), (height, width))
    _put(random, scene, mask, colour(random, (0, 0.7), (0.05, 0.9)))


def occlude(random: Random, scene: Picture, border: Points) -> Field:
    """Draw a hand or a thing or two over a document's border; gives how much of each pixel they cover.

    Each side keeps `SEEN` of its length in sight: of a hidden side nothing is known.
    """
    covered = np.zeros(scene.shape[:2], np.float32)
    for _ in range(int(random.integers(1, 3))):
        at = int(random.integers(len(border)))
        ends = border[[4 * at // len(border) * len(border) // 4, -1 - (3 - 4 * at // len(border)) * len(border) // 4]]
        room = (1 - SEEN) * float(np.linalg.norm(ends[1] - ends[0]))  # that may be hidden
        make = _hand if random.random() < 0.65 else _thing
        drawn = scene.copy()
        over = np.maximum(covered, make(random, drawn, border[at], border.mean(axis=0), room))
        if _in_sight(border, over).min() >= SEEN:
            scene[...] = drawn
            covered = over
    return covered


def _in_sight(border: Points, covered: Field) -> Points:
    """The share of each of a border's four sides that lies inside the picture and is not covered, (4,)."""
    height, width = covered.shape
    x, y = np.floor(border).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    bare = inside & (covered[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] < 0.5)
    return np.array([side.mean() for side in np.array_split(bare, 4)])


def _hand(random: Random, scene: Picture, place: Points, centre: Points, room: float) -> Field:
    """Fingers that come from outside over the border at `place`, together about `room` pixels wide at most."""
    size, unit = (scene.shape[0], scene.shape[1]), min(scene.shape[:2])
    skin = np.array(SKIN[int(random.integers(len(SKIN)))], np.float32) * np.float32(random.uniform(0.6, 1.05))
    turn = random.normal(0, 0.4)
    away = (place - centre) / max(1e-6, float(np.linalg.norm(place - centre)))
    away = away @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    beside = np.array([-away[1], away[0]])
    width = random.uniform(0.05, 0.11) * unit
    covered = np.zeros(size, np.float32)
    for k in range(int(np.clip(room / width, 1, random.integers(1, 4)))):
        tip = place + beside * 1.05 * width * k - away * random.uniform(0.01, 0.11) * unit
        knuckle = tip + 0.5 * unit * away + beside * random.normal(0, 0.02) * unit
        finger = blur(stroke(np.array([tip, knuckle]), width, size), 0.5)
        _skin(random, scene, finger, skin, width)
        if random.random() < 0.5:
            nail = stroke(np.array([tip, tip + 0.4 * width * away]), 0.55 * width, size)
            lay(scene, nail * np.float32(0.5), skin * np.array([1.05, 0.95, 0.95], np.float32))
        covered = np.maximum(covered, finger)
    palm = place + beside * width + away * 0.45 * unit
    arm = blur(stroke(np.array([palm, palm + 1.5 * unit * away]), 3.5 * width, size), 0.5)
    _skin(random, scene, arm, skin, 3 * width)
    return np.maximum(covered, arm)


def _skin(random: Random, scene: Picture, mask: Field, skin: Field, width: float) -> None:
    """Lay down a part of a hand, darker towards its outline."""
    shadow(random, scene, mask, random.uniform(0.1, 0.6))
    rounded = 1.1 - 0.4 * blur(1 - mask, width / 4) + 0.04 * smooth(random, (30, 30), (mask.shape[0], mask.shape[1]))
    lay(scene, mask, skin * rounded[..., None])


def _thing(random: Random, scene: Picture, place: Points, centre: Points, room: float) -> Field:
    """A pen, clip, coin, ruler or box lying over the border."""
    size, unit = scene.shape[:2], min(scene.shape[:2])
    kind, angle = random.random(), random.uniform(0, 6.28)
    along = np.array([np.cos(angle), np.sin(angle)])
    if kind < 0.4:
        mask = stroke(
            place + random.uniform(0.1, 0.35) * unit * np.array([-along, along]),
            random.uniform(0.01, 0.04) * unit,
            size,
        )
    elif kind < 0.7:
        turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        mask = polygon(
            place + min(random.uniform(0.02, 0.09) * unit, room / 2) * np.stack([np.cos(turns), np.sin(turns)], 1), size
        )
    else:
        sides = (min(random.uniform(0.03, 0.3) * unit, room), min(random.uniform(0.03, 0.12) * unit, room))
        mask = polygon(rectangle(place, sides, angle, 0.01 * unit), size)
    _put(random, scene, mask, colour(random, (0, 0.9), (0.03, 1)))
    return mask
