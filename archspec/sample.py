"""Made-up photos of a sheet of paper, with the true corners: for demonstrations, tests and benchmarks.

Everything is drawn from numpy's generator, so a seed names a photo (for one version of numpy and Pillow).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import ImageDraw

Floats = NDArray[np.float64]
Random = np.random.Generator

PAPER = (840, 1188)  # pixels of an A4 sheet at about 100 dpi
MARGIN = 90  # pixels of the sheet left blank at each side
SUPERSAMPLE = 2  # the scene is drawn this much larger, then averaged down: smooth edges
WORDS = (
    "the of and a report on table layer image network edge paper result method each page from value small "
    "with number test scan corner light figure we show that in this section measured between line by model "
    "over time error mean first second third input output channel depth width height filter for all is are"
).split()


def document_photo(seed: int, size: tuple[int, int] = (960, 720)) -> tuple[NDArray[np.uint8], Floats]:
    """A photo of a printed sheet on a desk, `size` = (width, height) pixels.

    Returns the RGB picture, (height, width, 3), and the sheet's corners, (4, 2), as x, y in pixels with 0, 0
    the outer corner of the first pixel: top left, top right, bottom right, bottom left of the text. All
    corners lie inside the picture. Raises ValueError for a picture under 32 pixels a side.
    """
    if min(size) < 32:
        raise ValueError(f"a photo is at least 32×32 pixels, not {size[0]}×{size[1]}")
    random = np.random.default_rng(seed)
    large = (size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE)
    corners = _pose(random, large)
    scene = _background(random, large)
    mask = _project(np.full((PAPER[1], PAPER[0]), 255, np.uint8), corners, large)[..., None] / 255.0
    scene *= 1 - 0.45 * _contact_shadow(random, mask)
    sheet = _project(_sheet(random), corners, large)
    curl = 0.97 + 0.03 * _smooth(random, (3, 2), large)[..., None]  # a sheet is never quite flat
    scene += (sheet * curl - scene) * mask
    scene *= _light(random, large)
    return _camera(random, scene, size), corners / SUPERSAMPLE


def jpeg(picture: NDArray[np.uint8], quality: int = 90) -> bytes:
    """`picture`, uint8 of (height, width, 3) RGB, as a JPEG file."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return file.getvalue()


# --- geometry


def _pose(random: Random, size: tuple[int, int]) -> Floats:
    """Corners of the sheet under a tilted camera, scaled and moved to fill most of the picture."""
    half = np.array(PAPER) / max(PAPER)
    flat = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    turn, pitch, roll = random.uniform(-0.35, 0.35), random.uniform(0.1, 0.6), random.uniform(-0.2, 0.2)
    flat = flat @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    distance = 3.5 - flat[:, 1] * np.sin(pitch) - flat[:, 0] * np.sin(roll)  # in halves of the sheet's height
    seen = flat * [np.cos(roll), np.cos(pitch)] / distance[:, None]
    low, extent = seen.min(axis=0), np.ptp(seen, axis=0)
    scale = random.uniform(0.74, 0.9) * np.min(np.array(size) / extent)
    room = np.array(size) - extent * scale
    return np.asarray((seen - low) * scale + room * random.uniform(0.3, 0.7, 2))


def _project(picture: NDArray[np.uint8], corners: Floats, size: tuple[int, int]) -> NDArray[np.uint8]:
    """`picture` laid with its corners on `corners` of a black canvas of `size`."""
    from PIL import Image

    height, width = picture.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    rows = []
    for (x, y), (u, v) in zip(corners, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    mapping = np.linalg.solve(np.array(rows), source.ravel())
    return np.asarray(
        Image.fromarray(picture).transform(
            size, Image.Transform.PERSPECTIVE, mapping.tolist(), Image.Resampling.BICUBIC
        )
    )


def _smooth(random: Random, cells: tuple[int, int], size: tuple[int, int]) -> Floats:
    """Smooth noise of `cells` (across, down) bumps over `size`, about -1 to 1, (height, width)."""
    from PIL import Image

    grid = random.uniform(-1, 1, (cells[1] + 1, cells[0] + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC), float)


def _blur(field: Floats, radius: float) -> Floats:
    """Gaussian blur of a field of 0..1, (height, width), by `radius` pixels."""
    from PIL import Image, ImageFilter

    picture = Image.fromarray((np.clip(field, 0, 1) * 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), float) / 255


# --- the sheet


def _sheet(random: Random) -> NDArray[np.uint8]:
    """A printed page: a heading, paragraphs and tables."""
    from PIL import Image, ImageDraw

    white = int(random.integers(240, 254))
    page = Image.new("RGB", PAPER, (white, white - 1, white - int(random.integers(2, 12))))
    draw = ImageDraw.Draw(page)
    ink = (int(random.integers(20, 60)),) * 3
    y = _heading(random, draw, ink)
    while y < PAPER[1] - MARGIN - 60:
        table = random.random() < 0.3 and y < PAPER[1] - MARGIN - 240
        y = (_table if table else _paragraph)(random, draw, ink, y)
    return np.asarray(page)


def _heading(random: Random, draw: ImageDraw.ImageDraw, ink: tuple[int, ...]) -> int:
    draw.text((MARGIN, MARGIN - 10), " ".join(random.choice(WORDS, 4)).title(), ink, font_size=44)
    draw.text((MARGIN, MARGIN + 52), " ".join(random.choice(WORDS, 7)).capitalize(), ink, font_size=22)
    draw.line((MARGIN, MARGIN + 92, PAPER[0] - MARGIN, MARGIN + 92), ink, 2)
    return MARGIN + 116


def _paragraph(random: Random, draw: ImageDraw.ImageDraw, ink: tuple[int, ...], y: int) -> int:
    right = PAPER[0] - MARGIN
    for line in range(int(random.integers(4, 9))):
        if y > PAPER[1] - MARGIN - 24:
            return y
        x = MARGIN + (24 if line == 0 else 0)
        for word in random.choice(WORDS, 20):
            if x + draw.textlength(word, font_size=19) > right:
                break
            draw.text((x, y), word, ink, font_size=19)
            x += int(draw.textlength(word + " ", font_size=19))
        y += 27
    return y + 20


def _table(random: Random, draw: ImageDraw.ImageDraw, ink: tuple[int, ...], y: int) -> int:
    rows, columns, height = int(random.integers(4, 7)), int(random.integers(3, 6)), 34
    across = np.linspace(MARGIN, PAPER[0] - MARGIN, columns + 1)
    draw.rectangle((MARGIN, y, PAPER[0] - MARGIN, y + height), (222, 222, 222))
    for row in range(rows + 1):
        draw.line((MARGIN, y + row * height, PAPER[0] - MARGIN, y + row * height), ink, 2)
    for x in across:
        draw.line((x, y, x, y + rows * height), ink, 2)
    for row in range(rows):
        for x in across[:-1]:
            text = str(random.choice(WORDS)) if row == 0 else f"{random.uniform(0, 100):.1f}"
            draw.text((x + 10, y + row * height + 6), text, ink, font_size=18)
    return y + rows * height + 30


# --- the desk


def _background(random: Random, size: tuple[int, int]) -> Floats:
    """A table top of wood, cloth or plain laminate, (height, width, 3) of 0..255."""
    texture = [_wood, _cloth, _laminate][int(random.integers(3))]
    return texture(random, size)


def _wood(random: Random, size: tuple[int, int]) -> Floats:
    height = size[1]
    colour = np.array([[196, 150, 102], [150, 104, 66], [112, 76, 52], [205, 176, 138]])[random.integers(4)]
    planks = int(random.integers(3, 6))
    place = np.linspace(0, planks, height, endpoint=False)[:, None]
    plank = place.astype(int)[:, 0]
    warp = _smooth(random, (3, 3 * planks), size) + 0.3 * _smooth(random, (8, 9 * planks), size)
    rings = np.sin(2 * np.pi * (6 * place + 1.1 * warp + random.uniform(0, 9, planks)[plank][:, None]))
    grain = _smooth(random, (16, height // 3), size) + 0.8 * _smooth(random, (60, height // 2), size)
    tone = 1 + 0.04 * rings + 0.05 * grain + random.uniform(-0.09, 0.09, planks)[plank][:, None]
    seam = place % 1 < 5 * planks / height  # five pixels wide
    return np.asarray((tone * np.where(seam, 0.55, 1.0))[..., None] * colour)


def _cloth(random: Random, size: tuple[int, int]) -> Floats:
    width, height = size
    colour = np.array([[58, 84, 122], [122, 52, 52], [70, 98, 78], [150, 142, 128]])[random.integers(4)]
    thread = 7.0  # pixels
    x, y = np.arange(width)[None], np.arange(height)[:, None]
    bend = 3 * _smooth(random, (5, 4), size)
    across, down = np.sin(2 * np.pi * (x + bend) / thread), np.sin(2 * np.pi * (y + bend) / thread)
    weave = 0.09 * across * down + 0.05 * _smooth(random, (width // 4, 60), size)
    folds = 0.12 * _smooth(random, (4, 3), size)
    return np.asarray((1 + weave + folds)[..., None] * colour)


def _laminate(random: Random, size: tuple[int, int]) -> Floats:
    width, height = size
    colour = np.array([[92, 96, 102], [58, 56, 58], [168, 160, 150], [104, 120, 128]])[random.integers(4)]
    speckle = 0.05 * _smooth(random, (width // 4, height // 4), size)
    stains = 0.05 * _smooth(random, (9, 7), size)
    return np.asarray((1 + speckle + stains)[..., None] * colour)


# --- light and camera


def _contact_shadow(random: Random, mask: Floats) -> Floats:
    """The sheet's own shadow on the desk, 0..1, (height, width, 1)."""
    pixel = mask.shape[0] / 1440
    offset = np.rint(random.uniform(-10, 10, 2) * pixel).astype(int)
    return _blur(np.roll(mask[..., 0], offset, (0, 1)), 10 * pixel)[..., None]


def _light(random: Random, size: tuple[int, int]) -> Floats:
    """A window to one side, the lens' dark corners and the soft shadow of a hand, (height, width, 3)."""
    from PIL import Image, ImageDraw

    width, height = size
    x, y = np.linspace(-1, 1, width)[None], np.linspace(-1, 1, height)[:, None]
    angle = random.uniform(0, 2 * np.pi)
    window = 1 + random.uniform(0.06, 0.2) * (np.cos(angle) * x + np.sin(angle) * y)
    lens = 1 - 0.1 * (x**2 + y**2) / 2
    shade = Image.new("F", size, 0)
    centre = np.array([np.cos(angle), np.sin(angle)]) * -0.9
    turns = np.linspace(0, 2 * np.pi, 9)[:-1]
    blob = (centre + random.uniform(0.35, 0.75, (8, 1)) * np.stack([np.cos(turns), np.sin(turns)], 1) + 1) / 2
    ImageDraw.Draw(shade).polygon([tuple(p) for p in blob * size], fill=1)
    shadow = random.uniform(0.15, 0.35) * _blur(np.asarray(shade, float), 0.05 * width)
    warmth = 1 + random.uniform(-0.04, 0.04) * np.array([1, 0, -1])
    return np.asarray((window * lens * (1 - shadow))[..., None] * warmth)


def _camera(random: Random, scene: Floats, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Averages the scene down to `size`, blurs it a little and adds the sensor's noise."""
    from PIL import Image, ImageFilter

    width, height = size
    blocks = scene.reshape(height, SUPERSAMPLE, width, SUPERSAMPLE, 3).mean(axis=(1, 3))
    soft = Image.fromarray(np.clip(blocks, 0, 255).astype(np.uint8))
    soft = soft.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 0.8)))
    noise = random.normal(0, 2.2, (height, width, 1)) + random.normal(0, 1.2, (height, width, 3))
    return np.clip(np.asarray(soft) + noise + 0.5, 0, 255).astype(np.uint8)
