import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layout import INPUT, TRAINED, lay_out
from PIL import Image

from archspec import predict as predictor
from archspec.predict import (
    GAP,
    PANEL,
    PredictError,
    edge_picture,
    predict,
    probabilities,
    read_manifest,
    top_classes,
)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Left half black, right half white; 8r - 4g + 2b - 1 is -1 and 5 there."""
    picture = Image.new("RGB", (96, 64))
    picture.paste("white", (48, 0, 96, 64))
    picture.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize("kind", ["edges_float", "edges_int8"])
def test_edges(tflite: Path, tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    made = predict(lay_out(tmp_path, tflite / f"{kind}.tflite"), photo, None, None)
    assert (made.model, made.task, made.untrained) == ("net", "edges", False)
    assert made.picture == Path("photo.net.edges.png")
    assert made.edge_share == 0.5
    with Image.open(made.picture) as picture:
        width = PANEL * 96 // 64
        assert (picture.format, picture.size) == ("PNG", (3 * width + 4 * GAP, PANEL + 2 * GAP))
        panels = [GAP + i * (width + GAP) for i in range(3)]
        seen = [[picture.getpixel((left + width * k // 4, PANEL // 2)) for k in (1, 3)] for left in panels]
    assert seen[0] == [(0, 0, 0), (255, 255, 255)]
    for pixel, logit in zip(seen[1], (-1, 5), strict=True):
        assert pixel == pytest.approx([255 / (1 + np.exp(-logit))] * 3, abs=4)
    assert seen[2][1] == pytest.approx((255, 64, 32), abs=4), "an edge is laid over in its colour"


def test_the_first_output_of_the_spec_is_the_answer(tflite: Path, tmp_path: Path, photo: Path) -> None:
    """side is -fuse; the file itself has an order of its own."""
    for order, brighter in ((["fuse", "side"], True), (["side", "fuse"], False)):
        outputs = [{"name": name} for name in order]
        file = lay_out(tmp_path, tflite / "edges_float.tflite", outputs=outputs)
        predict(file, photo, tmp_path / "out.png", None)
        with Image.open(tmp_path / "out.png") as picture:
            width = PANEL * 96 // 64
            row = np.asarray(picture.convert("L"))[PANEL // 2]
        seen = [int(row[2 * GAP + width + width * k // 4]) for k in (1, 3)]
        assert (seen[0] < seen[1]) == brighter


def test_turns_of_a_photo_are_averaged(
    tflite: Path, tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a network that takes the lower half of whatever it sees for edges nothing is left."""
    file = lay_out(tmp_path, tflite / "edges_float.tflite")
    downhill = np.broadcast_to(np.arange(-15.5, 16, dtype=np.float32)[:, None, None], (32, 48, 1))
    monkeypatch.setattr(predictor, "run", lambda _, images: {"fuse": np.stack([downhill] * len(images))})
    shares = [predict(file, photo, tmp_path / "out.png", tta=tta).edge_share for tta in (False, True)]
    assert shares == [0.5, 0]
    classes = lay_out(tmp_path, tflite / "classes_float.tflite")
    with pytest.raises(PredictError, match=r"model\.tflite gives no edge map, and only these are averaged"):
        predict(classes, photo, tta=True)


def test_each_artifact_has_an_input_of_its_own(tflite: Path, tmp_path: Path, photo: Path) -> None:
    """With 2 to 3 for black to white 8r - 4g + 2b - 1 is 11 to 17: an edge everywhere."""
    file = lay_out(tmp_path, tflite / "edges_float.tflite", input=INPUT | {"range": [2, 3]})
    assert predict(file, photo, tmp_path / "out.png", None).edge_share == 1


def test_picture_goes_where_asked(tflite: Path, tmp_path: Path, photo: Path) -> None:
    file = lay_out(tmp_path, tflite / "edges_int8.tflite")
    made = predict(file, photo, tmp_path / "other.png", None)
    assert made.picture == tmp_path / "other.png"
    assert made.picture.stat().st_size > 1000
    with pytest.raises(PredictError, match=r"other\.jpg: .*must end in \.png"):
        predict(file, photo, tmp_path / "other.jpg", None)


def test_padded_borders_are_cut_from_the_picture() -> None:
    """A tall photo in a wide input: only the middle third of the map belongs to it."""
    logits = np.full((30, 60), 20, np.float32)
    logits[:, 20:40] = -20
    data = edge_picture(Image.new("RGB", (20, 30), "gray"), logits, "pad")
    with Image.open(io.BytesIO(data)) as picture:
        width = PANEL * 20 // 30
        left = 2 * GAP + width
        middle = picture.convert("L").crop((left + 12, GAP, left + width - 12, GAP + PANEL))
        assert middle.getextrema() == (0, 0)


@pytest.mark.parametrize(
    ("photo_size", "panel"),
    [((96, 64), (720, 480)), ((64, 96), (320, 480)), ((4000, 2), (1440, 1)), ((1, 900), (1, 480))],
)
def test_panels_keep_the_aspect_within_bounds(photo_size: tuple[int, int], panel: tuple[int, int]) -> None:
    data = edge_picture(Image.new("RGB", photo_size), np.zeros((4, 6), np.float32), "stretch")
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (3 * panel[0] + 4 * GAP, panel[1] + 2 * GAP)


@pytest.mark.parametrize(("weights", "untrained"), [("untrained", True), (TRAINED, False)])
def test_untrained_weights_are_told(
    tflite: Path, tmp_path: Path, photo: Path, weights: object, untrained: bool
) -> None:
    file = lay_out(tmp_path, tflite / "edges_int8.tflite", weights=weights)
    assert predict(file, photo, tmp_path / "out.png", None).untrained is untrained


@pytest.mark.parametrize("kind", ["classes_float", "classes_int8", "softmax_int8"])
def test_classes(tflite: Path, tmp_path: Path, photo: Path, kind: str) -> None:
    Image.new("RGB", (10, 10), (51, 255, 102)).save(photo)
    (tmp_path / "labels.txt").write_text("red\ngreen\nblue\ndark\n")
    file = lay_out(tmp_path, tflite / f"{kind}.tflite")
    made = predict(file, photo, None, tmp_path / "labels.txt")
    assert (made.task, made.picture) == ("classes", None)
    assert [(c.index, c.label) for c in made.classes] == [(1, "green"), (2, "blue"), (0, "red"), (3, "dark")]
    # logits 6 * (0.2, 1, 0.4) and -2 * 1.6, as in make_tflite.py
    powers = np.exp([6.0, 2.4, 1.2, -3.2])
    assert [c.probability for c in made.classes] == pytest.approx(powers / powers.sum(), abs=0.01)
    assert [c.label for c in predict(file, photo, None, None).classes] == [None] * 4


@pytest.mark.parametrize("photo_name", ["cat", "parrot"])
@pytest.mark.parametrize("network", ["mobilenet_v2_1.0_224_quant", "tf2_mobilenet_v2_1.0_224_ptq"])
def test_googles_networks_know_the_photos(
    shared: Callable[[str], Path], tmp_path: Path, network: str, photo_name: str
) -> None:
    contract = INPUT | {"size": [224, 224, 3], "range": [-1, 1]}
    file = lay_out(tmp_path, shared(f"coral/{network}.tflite"), input=contract)
    made = predict(file, shared(f"coral/{photo_name}.png"), None, shared("coral/imagenet_labels.txt"))
    assert made.classes[0].label == {"cat": "Egyptian cat", "parrot": "macaw"}[photo_name]
    assert len(made.classes) == 5
    assert made.classes[0].probability > 0.5, "a distribution is not put through softmax again"


@pytest.mark.parametrize(
    ("scores", "step", "already"),
    [
        ([0.25, 0.75], None, True),
        ([0.25, 0.7], None, False),
        ([1.2, -0.2], None, False),
        ([0.5, 0.5, 0.0, 0.0, 0.0], 1 / 256, True),
        ([0.5, 0.46, 0.03, 0.0, 0.0], 1 / 256, True),  # lacks 0.01: five roundings of at most 1/512
        ([0.5, 0.46, 0.0, 0.0, 0.0], 1 / 256, False),
    ],
)
def test_probabilities(scores: list[float], step: float | None, already: bool) -> None:
    given = np.array(scores, np.float32)
    powers = np.exp(np.array(scores))
    expected = given if already else powers / powers.sum()
    np.testing.assert_allclose(probabilities(given, step), expected, rtol=1e-6)


def test_large_logits_do_not_overflow() -> None:
    np.testing.assert_array_equal(probabilities(np.array([1000, 0], np.float32), None), [1, 0])


def test_ties_keep_the_order_of_classes() -> None:
    assert [c.index for c in top_classes(np.full(9, 1 / 9, np.float32), None)] == [0, 1, 2, 3, 4]


def test_what_cannot_be_used_is_named(tflite: Path, tmp_path: Path, photo: Path) -> None:
    (tmp_path / "three.txt").write_text("a\nb\nc\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    edges = lay_out(tmp_path / "a", tflite / "edges_int8.tflite")
    classes = lay_out(tmp_path / "b", tflite / "classes_int8.tflite")
    wide = lay_out(tmp_path / "c", tflite / "wide_dynamic.tflite")
    broken = lay_out(tmp_path / "d", photo)
    other = lay_out(tmp_path / "e", tflite / "edges_int8.tflite", input=INPUT | {"size": [48, 32, 3]})
    renamed = lay_out(tmp_path / "f", tflite / "edges_int8.tflite", outputs=[{"name": "edges"}])
    changed = lay_out(tmp_path / "g", tflite / "edges_int8.tflite")
    changed.write_bytes(changed.read_bytes()[:-1] + b"\xff")
    alone = lay_out(tmp_path / "h", tflite / "edges_int8.tflite")
    (alone.parent.parent / "manifest.json").unlink()
    cases: list[tuple[Path, Path, Path | None, Path | None, str]] = [
        (edges, tmp_path / "absent.png", None, None, "absent.png: cannot read the picture: "),
        (edges, photo, None, tmp_path / "three.txt", "three.txt: .* gives an edge map, which has no labels"),
        (
            classes,
            photo,
            tmp_path / "out.png",
            None,
            "out.png: .* gives class scores, so there is no picture",
        ),
        (classes, photo, None, tmp_path / "three.txt", "three.txt: 3 labels for 4 classes"),
        (classes, photo, None, tmp_path / "binary.txt", "binary.txt: .*utf-8"),
        (classes, photo, None, tmp_path / "absent.txt", "absent.txt: No such file or directory"),
        (wide, photo, None, None, "model.tflite: no edge map .* among its outputs: maps 1×16×24×64"),
        (broken, photo, None, None, "model.tflite: not a .tflite file"),
        (other, photo, None, None, r"model.tflite: the file takes \[1, 32, 48, 3\]"),
        (renamed, photo, None, None, "model.tflite: no output `edges`, which its manifest lists"),
        (changed, photo, None, None, "manifest.json lists no such artifact: the file was changed"),
        (edges.with_name("absent.tflite"), photo, None, None, "absent.tflite: No such file or directory"),
        (alone, photo, None, None, "manifest.json: No such file or directory; `archspec build` writes it"),
    ]
    for file, image, out, labels, reason in cases:
        with pytest.raises(PredictError, match=reason):
            predict(file, image, out, labels)
        assert sorted(tmp_path.rglob("*.png")) == [photo], "nothing is written"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "broken manifest: "),
        ("[]", "broken manifest: "),
        ("{}", "has no 'weights'"),
        ('{"weights": "untrained"}', "has no 'artifacts'"),
        ('{"weights": "trained", "artifacts": []}', "weights 'trained'"),
        ('{"weights": {}, "artifacts": []}', "lists no such artifact"),
        ('{"weights": {}, "artifacts": [{}]}', "has no 'sha256'"),
        ('{"weights": {}, "artifacts": [{"sha256": "SHA"}]}', "has no 'outputs'"),
        ('{"weights": {}, "artifacts": [{"sha256": "SHA", "outputs": []}]}', "has no 'input'"),
        ('{"weights": {}, "artifacts": [{"sha256": "SHA", "outputs": [], "input": {"size": 3}}]}', "broken manifest: "),
    ],
)
def test_broken_manifests_are_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "manifest.json").write_text(text.replace("SHA", hashlib.sha256(b"x").hexdigest()))
    with pytest.raises(PredictError, match=rf"manifest\.json:? .*{reason}"):
        read_manifest(tmp_path / "manifest.json", b"x")


def test_the_photo_is_left_as_it_was(tflite: Path, tmp_path: Path, photo: Path) -> None:
    digest = hashlib.sha256(photo.read_bytes()).digest()
    predict(lay_out(tmp_path, tflite / "edges_int8.tflite"), photo, tmp_path / "out.png", None)
    assert hashlib.sha256(photo.read_bytes()).digest() == digest
