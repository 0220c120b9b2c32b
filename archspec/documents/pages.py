"""Documents as they are seen flat: pages, forms, receipts, cards, covers, prints, notes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archspec.documents import printing
from archspec.documents.blank import Page, blank, given, paper, worn
from archspec.documents.draw import Random, colour, smooth
from archspec.documents.printing import Face, Photos
from archspec.documents.settings import Pictures


def page(random: Random, longest: float, pictures: Pictures, own: float) -> Page:
    """A document `longest` pixels long, made up, or with the chance `own` one of the given."""
    if pictures.documents and random.random() < own:
        return given(random, pictures.documents[int(random.integers(len(pictures.documents)))], longest)
    if pictures.backgrounds and random.random() < 0.2 * own:  # as the cover of a book or a print
        return given(random, pictures.backgrounds[int(random.integers(len(pictures.backgrounds)))], longest)
    kinds: tuple[tuple[float, Callable[[Random, float, Photos], Page]], ...] = (
        (0.28, _sheet), (0.1, _form), (0.14, _receipt), (0.14, _card), (0.22, _cover), (0.05, _print), (0.07, _note),
    )  # fmt: skip
    shares = np.array([share for share, _ in kinds])
    make = kinds[int(random.choice(len(kinds), p=shares / shares.sum()))][1]
    return make(random, longest, pictures.backgrounds)


def _sheet(random: Random, longest: float, photos: Photos) -> Page:
    """A printed, written or empty page."""
    aspect = float(random.choice([0.707, 0.707, 0.773, 0.65, 1.414, 1.29]))
    face = blank(random, longest, aspect, paper(random))
    height, width = face.shape[:2]
    margin = int(random.uniform(0.05, 0.14) * min(height, width))
    tone, pitch = printing.ink(random), height / random.uniform(22, 60)
    kind = random.random()
    if kind < 0.07:
        return Page(worn(random, face), curl=0.03)
    if kind < 0.25:
        _ruled(random, face)
        printing.handwriting(random, face, (margin, margin, width - margin, height - margin), tone, 1.6 * pitch)
        return Page(worn(random, face), curl=0.03)
    y = _heading(random, face, margin, tone) if random.random() < 0.7 else margin
    columns = 2 if random.random() < 0.2 else 1
    across = (width - 2 * margin) // columns
    for column in range(columns):
        box = (margin + column * across, y, margin + (column + 1) * across - pitch, height - margin)
        _fill(random, face, box, pitch, photos)
    if random.random() < 0.12:
        printing.stamp(random, face)
    return Page(worn(random, face), curl=0.03)


def _heading(random: Random, face: Face, margin: int, tone: printing.Ink) -> int:
    height, width = face.shape[:2]
    size = height / random.uniform(14, 26)
    printing.paragraph(random, face, (margin, margin, width - margin, margin + int(size) + 1), tone, size)
    if random.random() < 0.4:
        face[margin + int(1.4 * size) : margin + int(1.4 * size) + max(1, height // 300), margin : width - margin] = (
            tone
        )
    return margin + int(1.8 * size)


def _fill(random: Random, face: Face, box: tuple[float, ...], pitch: float, photos: Photos) -> None:
    """Paragraphs, tables and pictures down a column."""
    left, top, right, bottom = (int(n) for n in box)
    tone = printing.ink(random)
    y = top
    while y < bottom - 3 * pitch:
        part = (left, y, right, min(bottom, y + int(random.uniform(4, 14) * pitch)))
        kind = random.random()
        if kind < 0.7:
            printing.paragraph(random, face, part, tone, pitch)
        elif kind < 0.85:
            printing.table(random, face, part, tone, pitch)
        elif kind < 0.95:
            printing.image(random, face, part, photos)
        y = part[3] + int(pitch)


def _ruled(random: Random, face: Face) -> None:
    """A notebook's lines or squares."""
    pitch = max(4, int(face.shape[0] / random.uniform(20, 40)))
    tone = colour(random, (0.1, 0.5), (0.6, 0.9))
    if random.random() < 0.7:
        face[pitch::pitch] = tone
        if random.random() < 0.3:
            face[:, pitch::pitch] = tone


def _form(random: Random, longest: float, _: Photos) -> Page:
    """An invoice or certificate: frames, tables, a seal; frames close to the border are the hard part."""
    face = blank(random, longest, float(random.choice([0.707, 1.414, 1.9, 0.8])), paper(random))
    height, width = face.shape[:2]
    tone = printing.tint(random, (0.4, 0.9), (0.3, 0.8)) if random.random() < 0.5 else printing.ink(random)
    inset = int(random.uniform(0.03, 0.1) * min(height, width))
    for k in range(int(random.integers(1, 3))):
        _frame(face, inset + 2 * k * max(1, min(height, width) // 60), tone, max(1, min(height, width) // 150))
    pitch = min(height, width) / random.uniform(14, 30)
    inner = (2 * inset, 2 * inset + int(2 * pitch), width - 2 * inset, height - 2 * inset)
    printing.paragraph(random, face, (width // 4, inset, 3 * width // 4, inset + int(2 * pitch)), tone, 1.6 * pitch)
    printing.table(random, face, inner, tone, pitch)
    if random.random() < 0.6:
        printing.stamp(random, face)
    return Page(worn(random, face), curl=0.02)


def _frame(face: Face, inset: int, tone: tuple[float, ...], width: int) -> None:
    inner = face[inset : face.shape[0] - inset, inset : face.shape[1] - inset]
    for side in (inner[:width], inner[-width:], inner[:, :width], inner[:, -width:]):
        side[...] = np.array(tone, np.uint8)


def _receipt(random: Random, longest: float, _: Photos) -> Page:
    """A long strip of thermal paper, narrow lines, curled."""
    face = blank(random, longest, random.uniform(0.2, 0.5), paper(random))
    height, width = face.shape[:2]
    margin = max(1, width // 14)
    tone, pitch = printing.ink(random, 140), width / random.uniform(9, 16)
    printing.paragraph(random, face, (width // 4, margin, width - margin, margin + int(2 * pitch)), tone, 1.5 * pitch)
    y = margin + int(2.5 * pitch)
    while y + pitch < height - margin:
        line = (margin, y, int(random.uniform(0.35, 0.7) * width), int(y + pitch))
        printing.paragraph(random, face, line, tone, pitch)
        if random.random() < 0.7:
            printing.paragraph(random, face, (int(0.78 * width), y, width - margin, int(y + pitch)), tone, pitch)
        y += int(pitch * (1.1 if random.random() < 0.85 else 2.4)) + 1
    if random.random() < 0.4 and height > 6 * width // 4:
        printing.bars(random, face, (width // 6, height - margin - width // 5, 5 * width // 6, height - margin), tone)
    return Page(face, curl=0.06)


def _card(random: Random, longest: float, photos: Photos) -> Page:
    """A bank, identity or business card: ISO/IEC 7810 ID-1 is 85.6 mm by 53.98 mm with corners of 3.18 mm."""
    tone = paper(random) if random.random() < 0.4 else colour(random, (0.05, 0.9), (0.15, 1))
    face = blank(random, longest, 85.6 / 53.98 if random.random() < 0.85 else 53.98 / 85.6, tone)
    height, width = face.shape[:2]
    if random.random() < 0.5:
        share = 0.5 + 0.5 * smooth(random, (2, 2), (height, width))[..., None]
        face[...] = np.clip(face + share * (colour(random, (0.1, 0.9), (0.2, 1)) - face), 0, 255)
    mark = printing.ink(random) if face.mean() > 110 else (235.0, 235.0, 230.0)
    left, right = (0.42, 0.94) if random.random() < 0.5 else (0.06, 0.6)
    if random.random() < 0.6:
        side = int(0.35 * height)
        at = int(0.07 * width) if left > 0.1 else int(0.92 * width) - side
        printing.image(random, face, (at, height // 4, at + side, height // 4 + int(1.25 * side)), photos)
    pitch = height / random.uniform(7, 12)
    text = (int(left * width), height // 5, int(right * width), int(0.85 * height))
    printing.paragraph(random, face, text, mark, pitch)
    if random.random() < 0.3:
        printing.lay_box(face, (0, int(0.1 * height), width, int(0.26 * height)), 0.2)  # a magnetic stripe
    rounded = 3.18 / 53.98 if random.random() < 0.8 else 0.0
    return Page(face, radius=rounded, thickness=random.uniform(0, 0.012), curl=0.0, gloss=random.uniform(0.2, 1))


def _cover(random: Random, longest: float, photos: Photos) -> Page:
    """A book, magazine, leaflet or disc sleeve: strong colours, a picture or figures, a title."""
    tone = colour(random, (0, 1), (0.05, 1)) if random.random() < 0.8 else paper(random)
    face = blank(random, longest, float(random.choice([0.66, 0.72, 0.78, 1.0, 1.35])), tone)
    height, width = face.shape[:2]
    kind = random.random()
    if kind < 0.35:
        printing.image(random, face, (0, 0, width, height), photos)
    elif kind < 0.7:
        edge = int(random.uniform(0, 0.15) * width)
        top = int(random.uniform(0.05, 0.4) * height)
        printing.image(random, face, (edge, top, width - edge, int(random.uniform(0.6, 1) * height)), photos)
    if kind > 0.6:
        printing.figures(random, face)
    title = printing.tint(random, (0, 0.8), (0, 1))
    size = height / random.uniform(7, 12)
    for _ in range(int(random.integers(1, 4))):
        y, x = random.uniform(0.04, 0.85) * height, random.uniform(0.05, 0.4) * width
        line = (int(x), int(y), int(0.95 * width), int(y + size) + 1)
        printing.paragraph(random, face, line, title, size)
    thick = random.uniform(0, 0.05) if random.random() < 0.6 else 0.0
    return Page(face, thickness=thick, curl=0.015, gloss=random.uniform(0, 1))


def _print(random: Random, longest: float, photos: Photos) -> Page:
    """A photo print, with or without a white border."""
    face = blank(random, longest, float(random.choice([2 / 3, 3 / 2, 3 / 4, 1.0])), paper(random))
    height, width = face.shape[:2]
    edge = 0 if random.random() < 0.5 else int(random.uniform(0.02, 0.08) * min(height, width))
    printing.image(random, face, (edge, edge, width - edge, height - edge), photos)
    return Page(face, curl=0.03, gloss=random.uniform(0.3, 1))


def _note(random: Random, longest: float, _: Photos) -> Page:
    """A sticky note, envelope, ticket or index card."""
    tone = colour(random, (0.1, 0.7), (0.7, 1)) if random.random() < 0.7 else paper(random)
    face = blank(random, longest, float(random.choice([1.0, 1.0, 2.0, 2.3, 1.5, 0.6])), tone)
    height, width = face.shape[:2]
    pitch, margin = height / random.uniform(5, 12), int(0.1 * min(height, width))
    write = printing.handwriting if random.random() < 0.6 else printing.paragraph
    write(random, face, (margin, margin, width - margin, height - margin), printing.ink(random), pitch)
    return Page(face, curl=0.04)
