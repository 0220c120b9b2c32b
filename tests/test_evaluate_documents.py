"""`archspec eval` on documents: a stub of a network whose answers are drawn from the truth, and small files."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import call
from layout import INPUT, lay_out
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from archspec import evaluate
from archspec.artifact import TensorInfo
from archspec.documents import Pictures, Sample, read_pictures, sample
from archspec.evaluate import documents, edges
from archspec.metrics.edges import measure, score
from archspec.metrics.thinning import nms, thin
from archspec.photo import InputContract, PhotoError
from archspec.predict import Built, PredictError
from archspec.scan import Found, locate

SIZE = (128, 160)  # height and width that the stubs take
SEEDS = range(24, 40)  # with two photos without a document
FAR = 24  # pixels by which a stub is wrong

Floats = NDArray[np.float32]


def stub(name: str, size: tuple[int, int] = SIZE) -> Built:
    contract = InputContract((*size, 3), (0, 1), None, None, "rgb", "stretch")
    info = TensorInfo("fuse", (1, *size, 1), "float32", None, None)
    return Built(Path(name), b"", contract, (info,), untrained=False, boxes=False)


@cache
def made(seed: int) -> Sample:
    return sample(seed, SIZE)


def logits(photo: Sample, name: str) -> Floats:
    """What a stub says: `good` the true edges, `far` those elsewhere, `blind` none; `fond` a sheet in every photo."""
    drawn = photo.edges.astype(np.float32)
    if name == "fond" and photo.corners is None:
        cv2.polylines(drawn, [np.array([[30, 20], [130, 24], [126, 100], [34, 104]], np.int32)], True, 1.0)
    if name == "far":
        drawn = np.roll(drawn, FAR, axis=1)
    if name == "blind":
        drawn = np.zeros_like(drawn)
    return np.asarray(cv2.GaussianBlur(drawn, (0, 0), 0.8) / 0.5 * 12 - 6, np.float32)


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files whose names say how they answer."""
    known = {(made(seed).image / np.float32(255)).astype(np.float32).tobytes(): made(seed) for seed in SEEDS}

    def run(built: Built, images: Floats) -> dict[str, Floats]:
        found = [logits(known[image.tobytes()], built.file.name) for image in images]
        return {"fuse": np.stack(found)[..., None]}

    monkeypatch.setattr(evaluate, "load", lambda file: stub(file.name))
    monkeypatch.setattr(evaluate, "run", run)


def probability(values: Floats) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-values.astype(np.float64)))


def farthest(found: Any, true: Any) -> float:
    """The largest distance of a corner, the best of the eight ways to name four corners one after the other."""
    ways = [[(start + way * i) % 4 for i in range(4)] for start in range(4) for way in (1, -1)]
    return min(max(float(np.hypot(*(found[i] - true[k]))) for k, i in enumerate(order)) for order in ways)


@pytest.mark.usefixtures("stubs")
@pytest.mark.parametrize("name", ["good", "far", "blind", "fond"])
def test_scores_are_those_of_each_photo(name: str) -> None:
    """Edges and corners, one photo after the other."""
    counts, errors, claimed = [], [], []
    for seed in SEEDS:
        photo = made(seed)
        edge = probability(logits(photo, name))
        counts.append(measure(nms(edge), thin(photo.edges)))
        found = locate(photo.image, edge, "stretch")
        if photo.corners is None:
            claimed.append(isinstance(found, Found))
        else:
            near = farthest(found.corners, photo.corners) if isinstance(found, Found) else np.inf
            errors.append(near / np.hypot(*SIZE))
    (result,) = documents([Path(name)], SEEDS)
    assert result.score == score(counts)
    assert result.corners is not None
    assert (result.corners.documents, result.corners.negatives) == (len(errors), len(claimed)) == (14, 2)
    assert result.corners.found == sum(e <= 0.02 for e in errors) / len(errors)
    assert result.corners.wrong == sum(0.02 < e < np.inf for e in errors) / len(errors)
    assert result.corners.claimed == sum(claimed) / len(claimed)
    assert result.corners.error == (pytest.approx(np.median(errors)) if np.isfinite(np.median(errors)) else None)


@pytest.mark.usefixtures("stubs")
def test_good_far_and_blind_networks() -> None:
    def told(name: str) -> tuple[float | None, ...]:
        (result,) = documents([Path(name)], SEEDS)
        assert result.corners is not None
        return result.corners.found, result.corners.wrong, result.corners.claimed, result.corners.error

    found, _, claimed, error = told("good")
    assert found is not None
    assert error is not None
    assert found > 0.7
    assert error < 0.01
    assert claimed == 0
    none, wrong, _, _ = told("far")
    assert none == 0
    assert wrong is not None
    assert wrong > 0.5
    assert told("blind") == (0, 0, 0, None)
    assert told("fond")[::2] == (found, 1)


def test_turns_are_averaged(stubs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is the same both ways stays; what does not turn with the photo does not."""
    upright = vars(evaluate)["run"]

    def run(built: Built, images: Floats) -> dict[str, Floats]:
        half = len(images) // 2
        assert half
        whole = upright(built, images[:half])["fuse"]
        upside_down = upright(built, np.rot90(images[half:], 2, (1, 2)))["fuse"]
        return {"fuse": np.concatenate([whole, np.rot90(upside_down, 0 if built.file.name == "far" else 2, (1, 2))])}

    plain = [documents([Path(name)], SEEDS)[0].score for name in ("good", "far")]
    monkeypatch.setattr(evaluate, "run", run)
    good, far = (documents([Path(name)], SEEDS, tta=True)[0].score for name in ("good", "far"))
    assert good == plain[0]
    assert far != plain[1]


@pytest.mark.usefixtures("stubs")
def test_seeds_name_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = documents([Path("good")], SEEDS[:3]), documents([Path("good")], SEEDS[3:6])
    assert one != other
    assert one == documents([Path("good")], SEEDS[:3])
    with pytest.raises(KeyError):  # photos on a background of one's own are others
        documents([Path("good")], SEEDS, Pictures((np.full((90, 90, 3), 200, np.uint8),)))
    monkeypatch.setattr(evaluate, "load", lambda file: stub(file.name, (64, 64) if file.name == "far" else SIZE))
    with pytest.raises(PredictError, match="far takes 64×64 pixels and good 160×128: they cannot see the same photos"):
        documents([Path("good"), Path("far")], SEEDS)
    monkeypatch.setattr(evaluate, "load", lambda file: stub(file.name, (24, 40)))
    with pytest.raises(PredictError, match="good takes 40×24 pixels: no photos so small are generated"):
        documents([Path("good")], SEEDS)


def quad(width: int, shift: tuple[int, int] = (0, 0)) -> Image.Image:
    """A sheet's border of some width, in a picture of 192×128: four times as fine as the small files' map."""
    picture = Image.new("L", (192, 128))
    corners = [(4 * x + shift[0], 4 * y + shift[1]) for x, y in ((10, 6), (36, 8), (38, 26), (8, 24), (10, 6))]
    ImageDraw.Draw(picture).line(corners, fill=255, width=width, joint="curve")
    return picture


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A document where its annotation has it; one 16 pixels right and 4 below; one that is not seen; a mere line."""
    line, black = Image.new("L", (192, 128)), Image.new("L", (192, 128))
    ImageDraw.Draw(line).line((40, 32, 88, 80), fill=255)
    shown = [(quad(4), quad(1)), (quad(4, (16, 4)), quad(1)), (black, quad(1)), (line, line)]
    for i, (photo, truth) in enumerate(shown):
        photo.convert("RGB").save(tmp_path / f"photo{i}.png")
        truth.save(tmp_path / f"truth{i}.png")
    (tmp_path / "pairs.csv").write_text("".join(f"photo{i}.png,truth{i}.png\n" for i in range(4)))
    return tmp_path / "pairs.csv"


def test_pairs_have_the_corners_of_their_annotations(tflite: Path, tmp_path: Path, pairs: Path) -> None:
    """As fuse = 8r - 4g + 2b - 1 sees them; an annotation without a quadrilateral says nothing of documents."""
    (result,) = edges([lay_out(tmp_path, tflite / "edges_float.tflite")], pairs)
    found = result.corners
    assert found is not None
    assert (found.documents, found.found, found.wrong) == (3, 1 / 3, 1 / 3)
    assert found.error == pytest.approx(np.hypot(16, 4) / np.hypot(192, 128), abs=0.01)
    assert (found.negatives, found.claimed) == (0, None)


@pytest.mark.parametrize("beside", [0, 2])
def test_corners_are_compared_in_the_photo(
    tflite: Path, tmp_path: Path, beside: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo of another shape than the map's, of which the map shows the middle; and as a small copy of itself."""
    monkeypatch.setattr(evaluate, "LONGEST", 192 // (1 + beside))
    for name, mode, width in (("photo", "RGB", 4), ("truth", "L", 1)):
        square = Image.new("L", (192, 192))
        square.paste(quad(width), (0, 32))
        square.convert(mode).save(tmp_path / f"{name}.png")
    (tmp_path / "pairs.csv").write_text("photo.png,truth.png\n")
    file = lay_out(tmp_path, tflite / "edges_float.tflite", input=INPUT | {"resize": "crop"})
    (result,) = edges([file], tmp_path / "pairs.csv")
    assert result.corners is not None
    assert result.corners.error is not None
    assert result.corners.error < 0.01


def test_eval_shows_documents(tflite: Path, tmp_path: Path) -> None:
    file = lay_out(tmp_path, tflite / "edges_float.tflite")
    (result,) = documents([file], range(6))
    ran = call("eval", file, "--documents", "6").clean()
    assert (ran.code, ran.err) == (0, "")
    header, _, row = (line.split() for line in ran.out.splitlines())
    assert header[:9] == ["file", "output", "images", "ODS", "at", "OIS", "AP", "found", "wrong"]
    assert header[-1] == "claimed"
    assert row[2:4] == ["6", f"{result.score.ods:.4f}"]
    assert result.corners is not None
    assert row[-2:] == [f"{100 * (result.corners.claimed or 0):.2f}", "%"]
    other = json.loads(call("eval", file, file, "--documents", "6", "--seed", "6", "--json").clean().out)
    assert other["files"][0]["score"]["ods"] == documents([file], range(6, 12))[0].score.ods
    assert other["files"][0]["corners"] == other["files"][1]["corners"]
    assert other["difference"]["ois"] == other["difference"]["found"] == 0
    given = other["files"][0]["corners"]
    assert (other["difference"]["claimed"] is None) == (given["negatives"] == 0)


def test_eval_shows_corners_of_pairs(tflite: Path, tmp_path: Path, pairs: Path) -> None:
    file = lay_out(tmp_path, tflite / "edges_float.tflite")
    header, _, *rows, _, last = (
        line.split() for line in call("eval", file, file, "--pairs", pairs).clean().out.splitlines()
    )
    assert header[-5:] == ["AP", "found", "wrong", "corner", "error"]
    assert [row[-6:-2] for row in rows] == [["33.33", "%", "33.33", "%"]] * 2
    assert last[-6:] == ["+0.00", "%", "+0.00", "%", "+0.000", "%"]


def test_backgrounds_are_read(tflite: Path, tmp_path: Path) -> None:
    file = lay_out(tmp_path, tflite / "edges_float.tflite")
    (tmp_path / "bg").mkdir()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / "bg" / "red.png")
    asked = ("eval", file, "--documents", "4", "--json")
    plain, red = (json.loads(call(*asked, *more).clean().out) for more in ((), ("--backgrounds", tmp_path / "bg")))
    assert plain["files"][0]["score"] != red["files"][0]["score"]
    (tmp_path / "bg" / "red.png").write_bytes(b"nothing")
    with pytest.raises(PhotoError, match=r"red\.png"):
        evaluate.documents([file], range(2), read_pictures(tmp_path / "bg", None))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["F"], 2, "name one of --pairs CSV, --documents N and --images DIR"),
        (["F", "--pairs", "P", "--documents", "3"], 2, "name one of --pairs CSV, --documents N and --images DIR"),
        (["F", "--pairs", "P", "--seed", "1"], 2, "--seed and --backgrounds are of generated photos"),
        (["F", "--images", "P", "--backgrounds", "P"], 2, "1 files: two are compared"),
        (["F", "--documents", "3", "--seed", "999998"], 2, "networks are trained on the seeds from 1,000,000 on"),
        (["F", "--documents", "3", "--backgrounds", "gone"], 1, "gone: No such file or directory"),
        (["F", "--documents", "3", "--output", "other"], 1, "no edge map `other` of the input's size"),
        (
            ["x.weights.h5", "--documents", "3"],
            2,
            "no .tflite file; make one by: archspec build SPEC --weights x.weights.h5",
        ),
        (
            ["model.keras", "--documents", "3"],
            2,
            "no .tflite file; make one by: archspec build SPEC --weights model.keras",
        ),
    ],
)
def test_eval_says_what_is_wrong(tflite: Path, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    named = {"F": str(lay_out(tmp_path, tflite / "edges_float.tflite")), "P": str(tmp_path)}
    ran = call("eval", *(named.get(word, word) for word in arguments), folder=tmp_path).clean()
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)
    assert ran.err.startswith("error: ")
    assert said in ran.err
