"""`archspec predict` on an edge network: the files of a document, and none where there is no document."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import call
from layout import lay_out
from PIL import Image, ImageDraw

from archspec.predict import PredictError, predict
from archspec.scan.files import ScanFiles

SHEET = [(60, 30), (330, 48), (318, 232), (48, 214)]  # in a photo of 384×256
"""The network's logit is 8r - 4g + 2b - 1: an outline drawn in white is its own edge map."""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    picture = Image.new("RGB", (384, 256))
    ImageDraw.Draw(picture).line([*SHEET, SHEET[0]], "white", 9)
    picture.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def every(folder: Path) -> ScanFiles:
    return ScanFiles(folder / "c.json", folder / "o.png", folder / "p.png")


def test_a_document_is_told_and_written(tflite: Path, tmp_path: Path, photo: Path) -> None:
    files = every(tmp_path)
    made = predict(lay_out(tmp_path, tflite / "edges_float.tflite"), photo, tmp_path / "e.png", files=files)
    assert made.document is not None
    assert made.document.corners is not None
    assert np.abs(np.array(made.document.corners) - SHEET).max() < 6  # within a pixel of the 48×32 map
    assert made.document.score > 0.7
    told = json.loads((tmp_path / "c.json").read_text())
    corners = [list(corner) for corner in made.document.corners]
    assert told == {"width": 384, "height": 256, "corners": corners, "score": made.document.score, "reason": None}
    with Image.open(tmp_path / "o.png") as overlay, Image.open(tmp_path / "p.png") as page:
        assert overlay.size == (384, 256)
        assert page.size[0] / page.size[1] == pytest.approx(270 / 185, rel=0.15)
        assert np.asarray(page)[20:-20, 20:-20].mean() < 10, "the sheet's middle is black"


def test_no_document_is_an_answer(tflite: Path, tmp_path: Path, photo: Path) -> None:
    Image.new("RGB", (384, 256)).save(photo)
    file = lay_out(tmp_path, tflite / "edges_float.tflite")
    options = ("-o", "e.png", "--corners", "c.json", "--overlay", "o.png", "--page", "p.png")
    ran = call("predict", file, photo, *options, folder=tmp_path).clean()
    assert ran.code == 0
    first, second = ran.out.splitlines()
    assert first == "e.png: 0.0 % of the pixels are edges"
    assert second == "no document found: 0 straight edges, and a document has four sides"
    assert ran.err == "no document found, so p.png is not written\n"
    assert json.loads((tmp_path / "c.json").read_text())["corners"] is None
    assert (tmp_path / "o.png").exists()
    assert not (tmp_path / "p.png").exists()
    told = json.loads(call("predict", file, photo, "-o", "e.png", "--json", folder=tmp_path).clean().out)
    assert told["document"] == {"corners": None, "score": 0.0, "reason": second.partition(": ")[2]}


def test_the_command_line_tells_the_corners(tflite: Path, tmp_path: Path, photo: Path) -> None:
    file = lay_out(tmp_path, tflite / "edges_int8.tflite")
    ran = call("predict", file, photo, "-o", "e.png", "--page", "p.png", folder=tmp_path).clean()
    assert (ran.code, ran.err) == (0, "")
    place, score = ran.out.splitlines()[1].removeprefix("document at ").split("; score ")
    corners = [[float(n) for n in corner.split()] for corner in place.split(", ")]
    assert np.abs(np.array(corners) - SHEET).max() < 6
    assert 0.7 < float(score) <= 1
    assert (tmp_path / "p.png").exists()


def test_the_same_photo_gives_the_same_bytes(tflite: Path, tmp_path: Path, photo: Path) -> None:
    file, seen = lay_out(tmp_path, tflite / "edges_float.tflite"), []
    for _ in range(2):
        predict(file, photo, tmp_path / "e.png", files=every(tmp_path))
        seen.append([(tmp_path / name).read_bytes() for name in ("c.json", "o.png", "p.png")])
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("kind", "files", "said"),
    [
        ("edges_float", {"overlay": "o.jpg"}, r"o\.jpg: .*must end in \.png"),
        ("edges_float", {"page": "p"}, r"p: .*must end in \.png"),
        ("edges_float", {"page": "e.png"}, r"e\.png: two files of that name"),
        ("edges_float", {"corners": "o.png", "overlay": "o.png"}, r"o\.png: two files of that name"),
        ("classes_float", {"corners": "c.json"}, r"c\.json: .*gives class scores, so there is no document"),
        ("classes_float", {"page": "p.png"}, r"p\.png: .*gives class scores, so there is no document"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tflite: Path, tmp_path: Path, photo: Path, kind: str, files: dict[str, str], said: str
) -> None:
    file = lay_out(tmp_path, tflite / f"{kind}.tflite")
    before = sorted(tmp_path.rglob("*"))
    wanted = ScanFiles(**{key: tmp_path / name for key, name in files.items()})
    with pytest.raises(PredictError, match=said):
        predict(file, photo, tmp_path / "e.png" if kind == "edges_float" else None, files=wanted)
    assert sorted(tmp_path.rglob("*")) == before


def test_all_files_or_none(tflite: Path, tmp_path: Path, photo: Path) -> None:
    file = lay_out(tmp_path, tflite / "edges_float.tflite")
    before = sorted(tmp_path.rglob("*"))
    wanted = ScanFiles(tmp_path / "c.json", None, tmp_path / "absent" / "p.png")
    with pytest.raises(OSError, match="absent"):
        predict(file, photo, tmp_path / "e.png", files=wanted)
    assert sorted(tmp_path.rglob("*")) == before
