"""`archspec predict` on what `archspec build` has built."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from building import CLASSIFIER, EDGES, answers, built_once, files, manifest
from command import call, start
from PIL import Image

from archspec.photo import InputContract, prepare, read_photo

LABELS = [f"class {letter}" for letter in "abcdefg"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo and the builds of a classifier and of an edge network, both untrained."""
    folder = tmp_path_factory.mktemp("built")
    for name, text in (("tiny", CLASSIFIER), ("lines", EDGES)):
        shutil.copytree(built_once(name, text, tmp_path_factory) / "build", folder / "build", dirs_exist_ok=True)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((90, 60), Image.Resampling.BILINEAR).save(folder / "photo.png")
    return folder


def fed(built: Path, name: str, abi: str) -> np.ndarray:
    """The photo as a target's network is fed it."""
    entry = next(e for e in manifest(built / "build" / name)["artifacts"] if e["abi"] == abi)
    return prepare(read_photo(built / "photo.png"), InputContract.from_manifest(entry["input"]))[None]


@pytest.mark.parametrize("abi", ["x86_64", "arm64-v8a"])
def test_five_classes_with_their_labels(built: Path, abi: str) -> None:
    file = Path("build/tiny") / abi / "model.tflite"
    logits = answers(built / file, fed(built, "tiny", abi))["logits"][0].astype(np.float64)
    powers = np.exp(logits) / np.exp(logits).sum()
    best = np.argsort(-powers, kind="stable")[:5]
    ran = call("predict", file, "photo.png", "--labels", "labels.txt", "--json", folder=built).clean()
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["model"], told["task"], told["untrained"], told["picture"]) == ("tiny", "classes", True, None)
    assert [c["index"] for c in told["classes"]] == best.tolist()
    assert [c["label"] for c in told["classes"]] == [LABELS[i] for i in best]
    assert [c["probability"] for c in told["classes"]] == pytest.approx(powers[best], rel=1e-4)
    ran = call("predict", file, "photo.png", "--labels", "labels.txt", folder=built).clean()
    assert (ran.code, ran.err) == (0, "tiny is untrained: its answer means nothing yet\n")
    header, _, *rows = ran.out.splitlines()
    assert header.split() == ["class", "label", "probability"]
    assert [row.split() for row in rows] == [[str(i), *LABELS[i].split(), f"{powers[i]:.4f}"] for i in best]


@pytest.mark.parametrize("abi", ["x86_64", "arm64-v8a", "armeabi-v7a"])
def test_edges_of_the_first_output(built: Path, tmp_path: Path, abi: str) -> None:
    """`near` is the spec's first; the third target has a smaller, gray input of its own."""
    file = built / "build/lines" / abi / "model.tflite"
    ran = call("predict", file, built / "photo.png", folder=tmp_path).clean()
    assert (ran.code, ran.err) == (0, "lines is untrained: its answer means nothing yet\n")
    picture = tmp_path / "photo.lines.edges.png"
    assert list(tmp_path.iterdir()) == [picture]
    shares = {name: float((a > 0).mean()) for name, a in answers(file, fed(built, "lines", abi)).items()}
    edges, document = ran.out.splitlines()
    assert edges == f"photo.lines.edges.png: {100 * shares['near']:.1f} % of the pixels are edges"
    assert document.startswith(("no document found: ", "document at "))
    assert f"{100 * shares['lines']:.1f}" not in ran.out, "outputs that are alike prove nothing"
    with Image.open(picture) as sheet:
        assert sheet.format == "PNG"


def test_what_cannot_be_used(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built / "build", tmp_path / "build")
    shutil.copy(built / "photo.png", tmp_path / "photo.png")
    lines, tiny = (tmp_path / "build" / name / "x86_64" / "model.tflite" for name in ("lines", "tiny"))
    (tmp_path / "moved").mkdir()
    moved = Path(shutil.copy(lines, tmp_path / "moved" / "model.tflite"))
    broken = tmp_path / "build" / "lines" / "arm64-v8a" / "model.tflite"
    broken.write_bytes(broken.read_bytes()[:-100])
    taken = tmp_path / "build" / "tiny" / "arm64-v8a" / "model.tflite"
    shutil.copy(lines, taken)
    (tmp_path / "short.txt").write_text("one\n")
    before = files(tmp_path)
    photo = tmp_path / "photo.png"
    for arguments, said in (
        ([moved, photo], f"error: {tmp_path}/manifest.json: No such file or directory; `archspec build` writes it"),
        ([broken, photo], f"error: {tmp_path}/build/lines/manifest.json lists no such artifact: the file was changed"),
        ([taken, photo], f"error: {tmp_path}/build/tiny/manifest.json lists no such artifact: "),
        ([lines.with_name("absent.tflite"), photo], "error: "),
        ([lines, tmp_path / "absent.jpg"], f"error: {tmp_path}/absent.jpg: cannot read the picture: "),
        ([lines, tmp_path / "short.txt"], f"error: {tmp_path}/short.txt: not a picture in a known format"),
        ([lines, photo, "-o", "x.jpg"], "error: x.jpg: the picture is a PNG, so its name must end in .png"),
        ([lines, photo, "-o", "absent/x.png"], "error: absent/x.png: no such file or directory"),
        ([lines, photo, "--labels", "short.txt"], "error: short.txt: "),
        ([tiny, photo, "--labels", "short.txt"], "error: short.txt: 1 labels for 7 classes"),
        ([tiny, photo, "-o", "x.png"], "error: x.png: "),
    ):
        ran = call("predict", *arguments, folder=tmp_path).clean()
        assert (ran.code, ran.out) == (1, ""), arguments
        assert ran.err.startswith(said), (arguments, ran.err)
        assert ran.err.count("\n") == 1
        assert files(tmp_path) == before


def test_the_runtime_is_quiet(built: Path, tmp_path: Path) -> None:
    """In a process of its own: LiteRT logs from C++."""
    ran = start("predict", built / "build/lines/x86_64/model.tflite", built / "photo.png", folder=tmp_path).clean()
    assert ran.code == 0
    assert ran.err == "lines is untrained: its answer means nothing yet\n"
