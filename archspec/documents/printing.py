"""What stands on a document: lines of text, handwriting, tables, pictures, bars, stamps. All drawn into a box of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archspec.documents.draw import SUBPIXEL, Picture, Random, Size, colour, fixed, smooth

Face = NDArray[np.uint8]  # (height, width, 3)
Photos = tuple[Face, ...]
Box = tuple[int, int, int, int]  # left, top, right, bottom
Ink = tuple[float, float, float]

WORDS = (
    "the of and a report on table layer image network edge paper result method each page from value small "
    "with number test scan corner light figure we show that in this section measured between line by model "
    "over time error mean first second third input output channel depth width height filter for all is are"
).split()
FONTS = (0, 2, 3, 4, 6)  # OpenCV's Hershey fonts: simplex, duplex, complex, triplex, complex small
CAPITAL = 22.0  # pixels of height of a capital letter of a Hershey font at scale 1


def ink(random: Random, dark: float = 90) -> Ink:
    """Black, grey, or the blue of a pen."""
    value = random.uniform(5, dark)
    tint = random.random() < 0.25
    return (value, value * (1.2 if tint else 1), value + (90 if tint else 0))


def tint(random: Random, saturation: tuple[float, float], value: tuple[float, float]) -> Ink:
    """Printing ink of any hue, its saturation and value within 0..1."""
    red, green, blue = (float(c) for c in colour(random, saturation, value))
    return red, green, blue


def paragraph(random: Random, face: Face, box: Box, tone: Ink, pitch: float) -> None:
    """Text that fills a box, `pitch` pixels from line to line: words, or signs as of Chinese type."""
    draw = _signs if random.random() < 0.35 else _latin
    left, top, right, bottom = box
    pitch = max(2.0, pitch)
    font = FONTS[int(random.integers(len(FONTS)))]
    y = top + pitch
    while y < bottom:
        end = right if random.random() < 0.75 else left + random.uniform(0.2, 0.95) * (right - left)
        draw(random, face, (left, int(y - pitch), int(end), int(y)), tone, font)
        y += pitch * (1.0 if random.random() < 0.9 else 2.0)


def _latin(random: Random, face: Face, line: Box, tone: Ink, font: int) -> None:
    import cv2

    left, top, right, bottom = line
    scale = 0.55 * (bottom - top) / CAPITAL
    letters = int((right - left) / max(1.0, 19 * scale))
    text = " ".join(WORDS[i] for i in random.integers(len(WORDS), size=max(1, letters // 5)))[: max(1, letters)]
    thickness = max(1, round(2 * scale * random.uniform(0.6, 1.6)))
    cv2.putText(face, text, (left, bottom), font, scale, tone, thickness, cv2.LINE_AA)


def _signs(random: Random, face: Face, line: Box, tone: Ink, font: int) -> None:
    """Square signs of short strokes."""
    import cv2

    left, top, right, bottom = line
    side = 0.75 * (bottom - top)
    count = int((right - left) / (1.15 * side))
    if count < 1:
        return
    x = left + 1.15 * side * np.arange(count)[:, None, None, None] + np.zeros((1, 4, 1, 1))
    ends = random.uniform(0, side, (count, 4, 2, 2))
    ends[:, ::2, 1, 0] = ends[:, ::2, 0, 0]  # every other stroke is upright, the rest nearly level
    ends[:, 1::2, 1, 1] = ends[:, 1::2, 0, 1]
    ends[..., 0] += x[..., 0]
    ends[..., 1] += bottom - side
    lines = list(fixed(ends.reshape(-1, 2)).reshape(-1, 2, 2))
    cv2.polylines(face, lines, False, tone, max(1, round(side / 12)), cv2.LINE_AA, 4)


def handwriting(random: Random, face: Face, box: Box, tone: Ink, pitch: float) -> None:
    """Lines of joined loops, uneven, each a stroke of a pen."""
    import cv2

    left, top, right, bottom = box
    pitch = max(2.0, pitch)
    lines = []
    y = top + pitch
    while y < bottom:
        length = random.uniform(0.4, 1) * (right - left)
        points = max(8, int(length / pitch * 7))
        x = left + np.linspace(0, length, points) + random.normal(0, 0.12 * pitch, points)
        wave = random.uniform(-0.4, 0.15, points) * pitch + random.normal(0, 0.02) * np.linspace(0, length, points)
        lines += np.split(fixed(np.stack([x, y + wave], axis=1)), np.arange(6, points, int(random.integers(6, 14))))
        y += pitch * random.uniform(0.9, 1.3)
    cv2.polylines(face, lines, False, tone, max(1, round(pitch / 14)), cv2.LINE_AA, 4)


def table(random: Random, face: Face, box: Box, tone: Ink, pitch: float) -> None:
    """A ruled table, some of its cells filled."""
    import cv2

    left, top, right, bottom = box
    rows, columns = max(2, int((bottom - top) / (1.5 * pitch))), int(random.integers(2, 7))
    down = np.linspace(top, bottom, rows + 1)
    across = left + (right - left) * np.sort(np.append(random.uniform(0.08, 0.92, columns - 1), [0, 1]))
    if random.random() < 0.5:
        lay_box(face, (left, top, right, int(down[1])), random.uniform(0.6, 0.95))
    lines = [np.array([[left, y], [right, y]]) for y in down] + [np.array([[x, top], [x, bottom]]) for x in across]
    cv2.polylines(face, [fixed(line) for line in lines], False, tone, 1, cv2.LINE_AA, 4)
    for row in range(rows):
        for cell in range(columns):
            if random.random() < 0.5:
                line = (int(across[cell] + 2), int(down[row]), int(across[cell + 1] - 2), int(down[row + 1] - 2))
                _latin(random, face, line, tone, 0)


def lay_box(face: Face, box: Box, strength: float) -> None:
    """Darken a box of the face to `strength` of its light."""
    left, top, right, bottom = box
    part = face[top:bottom, left:right]
    part[...] = part * strength


def image(random: Random, face: Face, box: Box, photos: Photos) -> None:
    """A part of one of `photos`, where there are any, or a drawing: patches of colour, a horizon, bands, shapes."""
    left, top, right, bottom = box
    bottom, right = min(bottom, face.shape[0]), min(right, face.shape[1])
    size: Size = (bottom - top, right - left)
    if min(size) < 4:
        return
    if photos and random.random() < 0.6:
        made = _photo(random, photos[int(random.integers(len(photos)))], size)
    else:
        made = _drawing(random, size)
    face[top : top + size[0], left : left + size[1]] = made


def _photo(random: Random, photo: Face, size: Size) -> Face:
    """A part of a photo with the sides' ratio of `size`, a third of what fits or more, as a printer may change it."""
    import cv2

    height, width = photo.shape[:2]
    scale = random.uniform(0.33, 1) * min(height / size[0], width / size[1])
    rows, columns = max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
    top, left = int(random.integers(height - rows + 1)), int(random.integers(width - columns + 1))
    part = np.ascontiguousarray(photo[top : top + rows, left : left + columns])
    made = cv2.resize(part, size[::-1], interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR)
    made = made[:, ::-1] if random.random() < 0.5 else made
    tone = made.mean(axis=2, keepdims=True)
    grey = random.uniform(-0.5, 1)  # below 0: stronger colours than the photo's
    return np.asarray(np.clip((made + grey * (tone - made)) * random.uniform(0.7, 1.25), 0, 255), np.uint8)


def _drawing(random: Random, size: Size) -> Face:
    import cv2

    first, second = (colour(random, (0, 0.9), (0.1, 1)) for _ in range(2))
    cells = int(random.integers(2, 9))
    field = sum(smooth(random, (cells * k, cells * k), size) / np.float32(k**0.8) for k in (1, 2, 5))
    share = np.clip(0.5 + 0.7 * np.asarray(field), 0, 1)[..., None]
    made = np.asarray(first * share + second * (1 - share), np.float32)
    if random.random() < 0.4:
        horizon = int(random.uniform(0.3, 0.8) * size[0])
        made[horizon:] = made[horizon:] * 0.4 + 0.6 * colour(random, (0.1, 0.8), (0.1, 0.7))
    for _ in range(int(random.integers(1, 5)) if random.random() < 0.5 else 0):
        _band(random, made)
    made = np.ascontiguousarray(np.clip(made, 0, 255), np.uint8)
    for _ in range(int(random.integers(1, 7))):
        centre = random.uniform(0, 1, 2) * size[::-1]
        axes = random.uniform(0.04, 0.3, 2) * min(size)
        tone = [float(c) for c in colour(random, (0, 1), (0, 1))]
        ends = [float(n) for n in (*centre, *(2 * axes))]
        cv2.ellipse(made, (ends[:2], ends[2:], random.uniform(0, 180)), tone, -1, cv2.LINE_AA)
    grain = 1 + 0.12 * smooth(random, (size[0] // 3, size[1] // 3), size)[..., None]
    return np.asarray(np.clip(made * grain, 0, 255), np.uint8)


def _band(random: Random, made: Picture) -> None:
    """A bar or a panel along the sides, as straight and strong as the border itself."""
    made = made if random.random() < 0.5 else made.swapaxes(0, 1)
    at, thick = random.uniform(0, 0.95), random.choice([0.01, 0.03, 0.1, 0.3]) * random.uniform(0.5, 1.5)
    first = int(random.uniform(0, 0.7) * made.shape[1]) if random.random() < 0.5 else 0
    last = first + int(random.uniform(0.3, 1) * (made.shape[1] - first)) + 1 if first else made.shape[1]
    rows = slice(int(at * made.shape[0]), int((at + thick) * made.shape[0]) + 1)
    made[rows, first:last] = colour(random, (0, 1), (0, 1))


def figures(random: Random, face: Face) -> None:
    """Lobed figures strewn over the face and cut by its border; small ones may crowd along a side."""
    import cv2

    height, width = face.shape[:2]
    reach = min(height, width)
    tones = [tint(random, (0, 1), (0, 1)) for _ in range(int(random.integers(2, 6)))]
    at = [(random.uniform(0, 1, 2) * (width, height), random.uniform(0.03, 0.25)) for _ in range(random.integers(2, 9))]
    if random.random() < 0.6:
        spread, side = random.uniform(0.02, 0.15), random.random() < 0.5
        for _ in range(int(random.integers(8, 30))):
            along, depth = random.random(), abs(random.normal(0, spread))
            place = np.array([along, depth if side else 1 - depth]) * (width, height)
            at.append((place, random.uniform(0.01, 0.06)))
    turn = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    for place, share in at:
        lobes, deep = int(random.integers(1, 8)), random.uniform(0, 0.6)
        radius = share * reach * (1 + deep * np.sin(lobes * turn + random.uniform(0, 6.28)))
        axes = random.uniform(0.4, 1, 2)
        points = place + np.stack([axes[0] * radius * np.cos(turn), axes[1] * radius * np.sin(turn)], axis=1)
        tone = tones[int(random.integers(len(tones)))]
        if random.random() < 0.8:
            cv2.fillPoly(face, [fixed(points)], tone, cv2.LINE_AA, SUBPIXEL)
        else:
            cv2.polylines(face, [fixed(points)], True, tone, max(1, int(reach / 100)), cv2.LINE_AA, SUBPIXEL)


def bars(random: Random, face: Face, box: Box, tone: Ink) -> None:
    """A bar code."""
    left, top, right, bottom = box
    dark = np.repeat(random.random(max(1, (right - left) // 2)) < 0.5, 2)
    part = face[top:bottom, left : left + dark.size]
    part[:, dark[: part.shape[1]]] = np.array(tone, np.uint8)


def stamp(random: Random, face: Face) -> None:
    """A round seal in red or blue, half covering what is below it."""
    import cv2

    height, width = face.shape[:2]
    radius = random.uniform(0.06, 0.13) * min(height, width)
    x, y = random.uniform(0.2, 0.8) * width, random.uniform(0.1, 0.9) * height
    tone = (190.0, 50.0, 60.0) if random.random() < 0.7 else (60.0, 70.0, 180.0)
    middle = (int(x), int(y))
    before = face.copy()
    cv2.circle(face, middle, int(radius), tone, max(1, int(radius / 10)), cv2.LINE_AA)
    cv2.circle(face, middle, max(1, int(radius / 3)), tone, -1, cv2.LINE_AA)
    face[...] = 0.6 * face + 0.4 * before
