"""The released document scanner: checkpoint to artifacts to pictures, held against what its author published."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from building import answers, manifest, sha256
from command import ROOT, call, start
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from archspec.photo import InputContract, prepare, read_photo
from archspec.predict import GAP, PANEL

SPEC = ROOT / "specs" / "mobilenet_v2_hed.yaml"
PICTURES = 20  # of the backgrounds, to calibrate on
Mask = NDArray[np.bool_]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with imported weights, some backgrounds to calibrate on, and the build of both."""
    folder = tmp_path_factory.mktemp("released")
    weights = folder / "hed.weights.h5"
    ran = start("import", shared("hed/checkpoint") / "hed.ckpt-100", SPEC, "-o", weights).clean()
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == "255 tensors, 293973 values; left in source: none; left in spec: none"
    (folder / "pictures").mkdir()
    for picture in sorted(shared("hed/backgrounds").glob("*.jpg"))[:PICTURES]:
        (folder / "pictures" / picture.name).symlink_to(picture)
    options: list[str | Path] = ["--weights", weights, "--calibrate", folder / "pictures", "--out", folder / "build"]
    ran = start("build", SPEC, *options).clean()
    assert ran.code == 0, ran.err
    assert "untrained" not in ran.out + ran.err
    assert "warning" not in ran.err
    return folder


@pytest.fixture(scope="module")
def built(work: Path) -> Path:
    return work / "build" / "mobilenet_v2_hed"


@pytest.fixture(scope="module")
def published(shared: Callable[[str], Path]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Three photos in model units, and the logits that the author's own frozen graph gives."""
    with np.load(shared("hed/expected_ckpt100.npz")) as archive:
        return archive["images"].astype(np.float32) / 255, archive["fuse_logits"]


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())


def test_the_manifest_names_weights_and_pictures(work: Path, built: Path) -> None:
    made = manifest(built)
    weights = work / "hed.weights.h5"
    assert made["weights"] == {"file": weights.name, "sha256": sha256(weights.read_bytes())}
    for entry in made["artifacts"]:
        assert entry["calibration"]["source"] == f"{PICTURES} pictures of a folder"
        worst = max(apart["max"] for apart in entry["difference"].values())
        assert worst < (1e-3 if entry["scheme"] == "none" else 8), "logits lie between -21 and 9"


def test_the_keras_file_answers_as_published(
    built: Path, published: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    images, wanted = published
    fuse = keras.models.load_model(built / "model.keras")(images, training=False)["fuse"]
    np.testing.assert_allclose(fuse, wanted, rtol=0, atol=1e-3)


def test_the_float_file_answers_as_published(
    built: Path, published: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    images, wanted = published
    np.testing.assert_allclose(answers(built / "x86_64/model.tflite", images)["fuse"], wanted, rtol=0, atol=2e-3)


@pytest.mark.parametrize("abi", ["arm64-v8a", "armeabi-v7a"])
def test_the_files_for_phones_draw_the_published_edges(
    built: Path, published: tuple[NDArray[np.float32], NDArray[np.float32]], abi: str
) -> None:
    images, wanted = published
    edges = answers(built / abi / "model.tflite", images)["fuse"] > 0
    for i in range(len(images)):
        assert overlap(edges[i], wanted[i] > 0) > 0.92  # measured: 0.958, 0.946, 0.977
    assert overlap(np.roll(edges[0], 3, axis=1), wanted[0] > 0) < 0.5, "the bound does not let three pixels pass"


def grown(mask: Mask, pixels: int) -> Mask:
    picture = Image.fromarray((mask * 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.MaxFilter(2 * pixels + 1))) > 0


def probability_panel(picture: Path) -> NDArray[np.uint8]:
    """The middle panel of an edge picture of a square photo, 256 pixels a side."""
    with Image.open(picture) as sheet:
        assert sheet.size == (3 * PANEL + 4 * GAP, PANEL + 2 * GAP)
        left = 2 * GAP + PANEL
        return np.asarray(sheet.convert("L").crop((left, GAP, left + PANEL, GAP + PANEL)).resize((256, 256)))


def test_int8_scores_as_the_float_file_does(shared: Callable[[str], Path], built: Path) -> None:
    """Edges on the author's own pairs: int8 may lose 0.005 of ODS, see docs/eval.md for what was measured."""
    files = [built / abi / "model.tflite" for abi in ("x86_64", "arm64-v8a")]
    ran = call("eval", *files, "--pairs", shared("hed/pairs.csv"), "--json").clean()
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    (float32, int8) = (entry["score"] for entry in told["files"])
    assert float32["images"] == int8["images"] == 11
    assert float32["ods"] == pytest.approx(0.967, abs=1e-3)
    assert int8["ods"] - float32["ods"] == told["difference"]["ods"] > -0.005
    side = json.loads(call("eval", files[0], "--pairs", shared("hed/pairs.csv"), "--output", "side3", "--json").out)
    assert side["files"][0]["score"]["ods"] < 0.5, "a map that was never trained to be one does not pass"


def test_predict_draws_what_the_author_annotated(shared: Callable[[str], Path], built: Path, tmp_path: Path) -> None:
    """Within four pixels of the thin annotation. By chance a tenth of the edges would lie there."""
    pairs = list(csv.reader(shared("hed/pairs.csv").open()))
    assert len(pairs) == 11
    contract = InputContract.from_manifest(manifest(built)["input"])
    file = built / "arm64-v8a" / "model.tflite"
    for photo, annotation in ((shared(f"hed/{one}"), shared(f"hed/{other}")) for one, other in pairs):
        out = tmp_path / f"{photo.stem}.png"
        ran = call("predict", file, photo, "-o", out, "--json").clean()
        assert ran.code == 0, ran.err
        drawn = probability_panel(out) > 127
        with Image.open(annotation) as picture:
            wanted = np.asarray(picture.convert("L")) > 20
        near = grown(wanted, 4)
        assert near.mean() < 0.12, "an annotation that is everywhere proves nothing"
        assert (drawn & near).sum() / drawn.sum() > 0.85  # measured: 0.861 once, 0.96 and more else
        assert (wanted & grown(drawn, 4)).sum() / wanted.sum() > 0.98  # measured: 1
        logits = answers(file, prepare(read_photo(photo), contract)[None])["fuse"][0, :, :, 0]
        told = json.loads(ran.out)
        assert (told["task"], told["untrained"], told["picture"]) == ("edges", False, str(out))
        assert told["edge_share"] == pytest.approx(float((logits > 0).mean()), abs=2e-4)
        assert overlap(drawn, logits > 0) > 0.9
