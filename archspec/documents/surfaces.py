"""What documents lie on: wood, cloth, tiles, stone, carpet, plain tops, desks with an edge, and the user's pictures."""

from __future__ import annotations

import numpy as np

from archspec.documents.draw import Field, Picture, Random, Size, colour, lay, polygon, smooth
from archspec.documents.settings import Pictures


def surface(random: Random, size: Size, pictures: Pictures, own: float) -> Picture:
    """A picture of a table top or floor, (height, width, 3); with the chance `own` cut from one of the given."""
    if pictures.backgrounds and random.random() < own:
        return _cut(random, pictures, size)
    kinds = (_wood, _wood, _wood, _plain, _plain, _plain, _cloth, _tiles, _stone, _carpet, _stripes)
    made = kinds[int(random.integers(len(kinds)))](random, size)
    if random.random() < 0.2:
        other = kinds[int(random.integers(len(kinds)))](random, size)
        lay(made, _half(random, size), other)
    return made


def _cut(random: Random, pictures: Pictures, size: Size) -> Picture:
    """A random part of a given background, mirrored, brightened or tinted at random."""
    import cv2

    whole = pictures.backgrounds[int(random.integers(len(pictures.backgrounds)))]
    share = random.uniform(0.45, 1) * np.array(whole.shape[:2])
    top, left = (random.uniform(0, 1, 2) * (np.array(whole.shape[:2]) - share)).astype(int)
    part = whole[top : top + max(1, int(share[0])), left : left + max(1, int(share[1]))]
    part = part[:, :: -1 if random.random() < 0.5 else 1]
    shrink = part.shape[0] > size[0] or part.shape[1] > size[1]
    way = cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
    made = cv2.resize(np.ascontiguousarray(part), size[::-1], interpolation=way).astype(np.float32)
    return np.asarray(np.clip(made * random.uniform(0.6, 1.15), 0, 255), np.float32)


def _half(random: Random, size: Size) -> Field:
    """One side of a straight line across the picture: a table's edge."""
    angle = random.uniform(0, 2 * np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    middle = random.uniform(0.1, 0.9, 2) * size[::-1]
    far = 2.0 * max(size)
    return polygon(np.array([middle - far * along, middle + far * along, middle + far * (along + across),
                             middle + far * (across - along)]), size)  # fmt: skip


def _rotated(random: Random, size: Size, least: float, most: float) -> tuple[Field, Field]:
    """Two coordinates at right angles, turned at random and seen in perspective: `least` to `most` units across."""
    height, width = size
    x = np.linspace(-1, 1, width, dtype=np.float32)[None] * (width / max(size))
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * (height / max(size))
    angle = random.choice([0.0, np.pi / 2]) + random.normal(0, 0.3) if random.random() < 0.7 else random.uniform(0, 3.2)
    count = random.uniform(least, most) / 2
    depth = 1 + random.uniform(-0.35, 0.35) * y + random.uniform(-0.2, 0.2) * x
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    turned = (cos * x + sin * y, cos * y - sin * x)
    across, down = (np.asarray(part / depth * count, np.float32) for part in turned)
    return across, down


def _wood(random: Random, size: Size) -> Picture:
    """Planks with grain, seams and rings."""
    woods = (
        (196, 150, 102),
        (150, 104, 66),
        (112, 76, 52),
        (205, 176, 138),
        (84, 58, 44),
        (224, 205, 176),
        (160, 84, 50),
    )
    tone = np.array(woods[int(random.integers(len(woods)))], np.float32) * np.float32(random.uniform(0.6, 1.15))
    across, along = _rotated(random, size, 1.5, 7)
    across = across + random.uniform(0, 1)
    plank = np.floor(across).astype(int)
    shift = random.uniform(0, 9, 64).astype(np.float32)[plank % 64]
    warp = smooth(random, (4, 4), size)
    rings = np.sin(6.28 * (random.uniform(2, 7) * across + warp * random.uniform(0.3, 1.5) + shift))
    grain = _grain(random, across * random.uniform(8, 30) + 0.4 * warp, along * 0.7 + shift)
    level = 1 + random.uniform(0, 0.07) * rings + random.uniform(0.02, 0.12) * grain
    level += random.uniform(0, 0.16 if random.random() < 0.6 else 0.4) * np.sin(shift * 5)
    if random.random() < 0.75:
        gap = random.uniform(0.012, 0.035 if random.random() < 0.7 else 0.07)
        ends = (along * random.uniform(0.15, 0.4) + shift) % 1 < gap / 4 if random.random() < 0.5 else False
        level *= np.where((across - plank < gap) | ends, np.float32(random.uniform(0.15, 0.9)), 1)
    return np.asarray(level[..., None] * tone, np.float32)


def _grain(random: Random, across: Field, along: Field) -> Field:
    """Noise that is long in one direction: a table of random numbers, looked up."""
    import cv2

    side = 64
    noise = random.uniform(-1, 1, (side, side)).astype(np.float32)
    u, v = (across % (side - 1)).astype(np.float32), (along % (side - 1)).astype(np.float32)
    return np.asarray(cv2.remap(noise, u, v, cv2.INTER_LINEAR), np.float32)


def _plain(random: Random, size: Size) -> Picture:
    """A painted, laminated or steel top: nearly one tone, speckled, stained."""
    kind = random.random()
    tone = colour(random, (0, 0.15), (0.05, 1)) if kind < 0.6 else colour(random, (0.1, 0.9), (0.1, 0.95))
    height, width = size
    level = 1 + random.uniform(0, 0.08) * smooth(random, (height // 3, width // 3), size)
    level += random.uniform(0, 0.08) * smooth(random, (7, 8), size)
    return np.asarray(level[..., None] * tone, np.float32)


def _cloth(random: Random, size: Size) -> Picture:
    """Woven threads and folds."""
    across, down = _rotated(random, size, 20, 70)
    bend = 0.6 * smooth(random, (5, 4), size)
    weave = np.sin(6.28 * (across + bend)) * np.sin(6.28 * (down + bend))
    level = 1 + random.uniform(0.02, 0.12) * weave + random.uniform(0, 0.22) * smooth(random, (4, 3), size)
    return np.asarray(level[..., None] * colour(random, (0, 0.8), (0.15, 0.95)), np.float32)


def _tiles(random: Random, size: Size) -> Picture:
    """Tiles with joints, or a chequered cloth."""
    across, down = _rotated(random, size, 2, 9)
    u, v = across + random.uniform(0, 1), down * random.choice([1.0, 1.0, 2.0]) + random.uniform(0, 1)
    column, row = np.floor(u), np.floor(v)
    tone = colour(random, (0, 0.5), (0.2, 1))
    index = (column * 7 + row * 13).astype(int) % 64
    level = 1 + random.uniform(0, 0.12) * random.uniform(-1, 1, 64).astype(np.float32)[index]
    made = level[..., None] * tone
    if random.random() < 0.35:
        odd = ((column + row) % 2)[..., None]
        made += odd * (colour(random, (0, 0.9), (0.1, 1)) - made)
    joint = random.uniform(0.02, 0.06)
    dark = (np.minimum(u - column, v - row) < joint)[..., None]
    made = np.where(dark, tone * np.float32(random.uniform(0.4, 1.3)), made)
    made *= 1 + 0.06 * smooth(random, (size[0] // 4, size[1] // 4), size)[..., None]
    return np.asarray(made, np.float32)


def _stone(random: Random, size: Size) -> Picture:
    """Marble or concrete: veins where smooth noise crosses zero."""
    field = sum(smooth(random, (n, n), size) / n**0.7 for n in (3, 6, 12, 24))
    veins = np.exp(-((np.asarray(field) * random.uniform(6, 16)) ** 2))
    tone = colour(random, (0, 0.15), (0.15, 1))
    level = 1 + random.uniform(0.02, 0.2) * np.asarray(field) - random.uniform(-0.2, 0.35) * veins
    return np.asarray(level[..., None] * tone, np.float32)


def _carpet(random: Random, size: Size) -> Picture:
    """Coarse noise in two tones: carpet, gravel, grass, cork."""
    cells = int(min(size) / random.uniform(1.5, 6))
    fine = smooth(random, (cells, cells), size)[..., None]
    tone = colour(random, (0, 0.8), (0.1, 0.9))
    made = tone * (1 + random.uniform(0.08, 0.4) * fine)
    made += random.uniform(0, 25) * smooth(random, (4, 4), size)[..., None]
    return np.asarray(made, np.float32)


def _stripes(random: Random, size: Size) -> Picture:
    """Stripes or steps of two tones."""
    across, _ = _rotated(random, size, 3, 20)
    first, second = colour(random, (0, 0.8), (0.1, 1)), colour(random, (0, 0.8), (0.1, 1))
    share = np.clip(0.5 + random.uniform(0.5, 4) * np.sin(6.28 * across), 0, 1)[..., None]
    return np.asarray(first * share + second * (1 - share), np.float32)
