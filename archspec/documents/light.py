"""Light that falls on a scene, and shadows: of hands, phones, blinds and things outside the picture."""

from __future__ import annotations

import numpy as np

from archspec.documents.draw import Field, Picture, Points, Random, Size, blur, polygon, rectangle, smooth, stroke


def lit(random: Random, scene: Picture, shadowed: bool) -> None:
    """Multiply a scene by a window's light, its colour, dark corners and, if `shadowed`, shadows."""
    height, width = scene.shape[:2]
    x, y = np.linspace(-1, 1, width, dtype=np.float32)[None], np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    angle, slope = random.uniform(0, 2 * np.pi), random.uniform(0, 0.35)
    light = 1 + np.float32(slope * np.cos(angle)) * x + np.float32(slope * np.sin(angle)) * y
    light *= 1 - np.float32(random.uniform(0, 0.25)) * (x**2 + y**2) / 2
    if random.random() < 0.25:  # a lamp
        at = random.uniform(-1, 1, 2)
        light += np.float32(random.uniform(0.1, 0.5)) * np.exp(
            -((x - at[0]) ** 2 + (y - at[1]) ** 2).astype(np.float32) * 2
        )
    warm = np.float32(
        random.normal(0, 0.07) * np.array([1, 0.1, -1]) + random.normal(0, 0.02) * np.array([-0.5, 1, -0.5])
    )
    colour = np.broadcast_to(light[..., None] * (1 + warm), scene.shape)
    if shadowed:
        for _ in range(int(random.integers(1, 3))):
            mask = _shadow(random, (height, width))
            strength = np.float32(random.uniform(0.15, 0.6))
            blue = np.array([1, 0.97, 0.9], np.float32)  # the sky lights what the sun does not
            colour = colour * (1 - strength * mask[..., None] * blue)
    scene *= colour


def _shadow(random: Random, size: Size) -> Field:
    """A shadow's shape with a border between hard and very soft, 0..1."""
    unit = min(size) / 256
    kinds = (_beyond, _beyond, _phone, _hand, _blinds, _blob, _phone, _hand, _blob)
    mask = kinds[int(random.integers(len(kinds)))](random, size)
    return np.asarray(np.clip(blur(mask, unit * float(np.exp(random.uniform(-0.7, 3.2)))), 0, 1), np.float32)


def _entry(random: Random, size: Size) -> tuple[Points, Points]:
    """A point on the picture's rim and the direction inwards."""
    turn = random.uniform(0, 2 * np.pi)
    inwards = -np.array([np.cos(turn), np.sin(turn)])
    middle = np.array(size[::-1]) / 2
    return middle - inwards * 0.75 * max(size), inwards


def _beyond(random: Random, size: Size) -> Field:
    """The shadow of a wall or body outside the picture: all beyond a line."""
    start, inwards = _entry(random, size)
    reach, across = random.uniform(0.35, 0.9) * max(size), np.array([-inwards[1], inwards[0]]) * 2 * max(size)
    back = start - inwards * max(size)
    return polygon(np.array([back - across, back + across, start + across + inwards * reach,
                             start - across + inwards * reach * random.uniform(0.7, 1.3)]), size)  # fmt: skip


def _phone(random: Random, size: Size) -> Field:
    """The phone that takes the photo and the arm that holds it."""
    start, inwards = _entry(random, size)
    unit = max(size)
    centre = start + inwards * random.uniform(0.35, 0.8) * unit
    sides = (random.uniform(0.2, 0.4) * unit, random.uniform(0.4, 0.7) * unit)
    plate = polygon(rectangle(centre, sides, random.uniform(0, 3.1), 0.04 * unit), size)
    return np.maximum(plate, stroke(np.array([start, centre]), random.uniform(0.12, 0.25) * unit, size))


def _hand(random: Random, size: Size) -> Field:
    """An arm with a few spread fingers."""
    start, inwards = _entry(random, size)
    unit = max(size)
    palm = start + inwards * random.uniform(0.3, 0.7) * unit
    mask = stroke(np.array([start, palm]), random.uniform(0.12, 0.22) * unit, size)
    for turn in np.linspace(-0.6, 0.6, int(random.integers(2, 6))) + random.normal(0, 0.08):
        spread = inwards @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        finger = np.array([palm, palm + spread * random.uniform(0.15, 0.3) * unit])
        mask = np.maximum(mask, stroke(finger, random.uniform(0.03, 0.055) * unit, size))
    return mask


def _blinds(random: Random, size: Size) -> Field:
    """Stripes of light through blinds or a window's bars."""
    mask = np.zeros(size, np.float32)
    turn, unit = random.uniform(0, 3.1), max(size)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    pitch = random.uniform(0.12, 0.4) * unit
    for k in range(-6, 7):
        middle = np.array(size[::-1]) / 2 + across * pitch * k
        line = np.array([middle - 2 * unit * along, middle + 2 * unit * along])
        mask = np.maximum(mask, stroke(line, min(255.0, pitch * random.uniform(0.25, 0.5)), size))
    return mask


def _blob(random: Random, size: Size) -> Field:
    """A head, a plant: an uneven round shape."""
    turns = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    radius = random.uniform(0.15, 0.5) * max(size) * random.uniform(0.6, 1.2, (14, 1))
    return polygon(random.uniform(0, 1, 2) * size[::-1] + radius * np.stack([np.cos(turns), np.sin(turns)], 1), size)


def glare(random: Random, scene: Picture, mask: Field, gloss: float) -> None:
    """A lamp's reflection on what shines, where `mask` is 1."""
    height, width = scene.shape[:2]
    spot = smooth(random, (3, 3), (height, width)) + random.uniform(-0.6, 0.2)
    light = np.clip(spot * random.uniform(1, 4), 0, 1) * mask * np.float32(gloss * random.uniform(0.2, 0.9))
    scene += (255 - np.minimum(scene, 255)) * light[..., None]
