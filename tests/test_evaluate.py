"""`archspec eval` on small files whose answers are numpy formulas: fuse = 8r - 4g + 2b - 1, side = -fuse."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
import typer
from command import ROOT, call
from documents import fences, shown
from layout import INPUT, lay_out
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from archspec.calibration import CalibrationError
from archspec.cli.app import app, load
from archspec.evaluate import agreement, edges
from archspec.metrics.edges import EdgeScore, measure, score
from archspec.metrics.thinning import nms, thin
from archspec.pairs import PairError
from archspec.photo import PhotoError
from archspec.predict import PredictError

SIZE = (48, 32)  # width and height that the files take
COUNT = 9  # pictures: enough for a second process


def draw(index: int) -> Image.Image:
    """A line that steps nowhere, well away from the border."""
    picture = Image.new("L", SIZE)
    ImageDraw.Draw(picture).line((10 + index, 8, 22 + index, 20), fill=255)
    return picture


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Photos of a white line on black, and the line as their annotation."""
    lines = []
    for i in range(COUNT):
        draw(i).convert("RGB").save(tmp_path / f"photo{i}.png")
        draw(i).save(tmp_path / f"line{i}.png")
        lines.append(f"photo{i}.png,line{i}.png\n")
    (tmp_path / "pairs.csv").write_text("".join(lines))
    return tmp_path / "pairs.csv"


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A folder of photos, each of one colour, of which no two channels are alike; most of them red."""
    folder = tmp_path / "colours"
    folder.mkdir()
    for i in range(COUNT):
        bright = [(220, 40, 60), (220, 60, 20), (40, 220, 20), (20, 10, 220)][i % 4]
        Image.new("RGB", (20, 20), bright).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def expected(photos: Callable[[int], NDArray[np.float64]], sign: int = 1) -> EdgeScore:
    """What the formula's edge maps score."""
    counts = []
    for i in range(COUNT):
        fuse = photos(i) @ [8, -4, 2] - 1
        truth = thin(np.asarray(draw(i)) > 0)
        counts.append(measure(nms(1 / (1 + np.exp(-sign * fuse))), truth))
    return score(counts)


def rgb(index: int) -> NDArray[np.float64]:
    return np.asarray(draw(index).convert("RGB"), np.float64) / 255


def test_a_network_that_finds_the_lines(tflite: Path, tmp_path: Path, pairs: Path) -> None:
    file = lay_out(tmp_path, tflite / "edges_float.tflite")
    (found,) = edges([file], pairs)
    assert (found.file, found.output, found.untrained) == (file, "fuse", False)
    assert (found.score.images, found.score.ods, found.score.ois) == (COUNT, 1, 1)
    assert found.score == expected(rgb)


def test_two_files_and_another_output(tflite: Path, tmp_path: Path, pairs: Path) -> None:
    """The second takes photos as 0 to 0.25, and so finds an edge nowhere; the map `side` is an edge everywhere else."""
    one = lay_out(tmp_path / "a", tflite / "edges_int8.tflite")
    dim = lay_out(
        tmp_path / "b", tflite / "edges_float.tflite", input=INPUT | {"range": [0, 0.25]}, weights="untrained"
    )
    first, second = edges([one, dim], pairs)
    assert first.score.ods == 1
    assert second.untrained
    assert second.score == expected(lambda i: rgb(i) / 4)
    (side,) = edges([dim], pairs, "side")
    assert side.output == "side"
    assert side.score == expected(lambda i: rgb(i) / 4, -1)
    assert side.score.ods < 0.5


def test_the_first_map_of_the_spec_is_scored(tflite: Path, tmp_path: Path, pairs: Path) -> None:
    outputs = [{"name": "side"}, {"name": "fuse"}]
    (found,) = edges([lay_out(tmp_path, tflite / "edges_float.tflite", outputs=outputs)], pairs)
    assert found.output == "side"


def test_annotations_are_cut_as_photos_are(tflite: Path, tmp_path: Path, pairs: Path) -> None:
    """A wide photo in the middle of black borders, drawn at its size there: nothing is lost to the resize."""
    for i in range(COUNT):
        for name, mode in (("photo", "RGB"), ("line", "L")):
            draw(i).convert(mode).crop((0, 4, 48, 28)).save(tmp_path / f"{name}{i}.png")
    file = lay_out(tmp_path, tflite / "edges_float.tflite", input=INPUT | {"resize": "pad"})
    assert edges([file], pairs)[0].score.ods == 1


def test_two_classifiers(tflite: Path, tmp_path: Path, colours: Path) -> None:
    """The second takes red for blue, so that they agree on green."""
    one = lay_out(tmp_path / "a", tflite / "classes_float.tflite")
    same = lay_out(tmp_path / "b", tflite / "classes_int8.tflite")
    other = lay_out(tmp_path / "c", tflite / "classes_float.tflite", input=INPUT | {"color": "bgr"})
    found = agreement((one, same), colours)
    assert (found.images, found.agree, found.differ) == (COUNT, COUNT, ())
    found = agreement((one, other), colours)
    assert (found.images, found.agree) == (COUNT, 2)
    assert [d.image.name for d in found.differ] == ["0.png", "1.png", "3.png", "4.png", "5.png", "7.png", "8.png"]
    assert [d.classes for d in found.differ] == [(0, 2), (0, 2), (2, 0)] * 2 + [(0, 2)]
    logits = np.array([220, 40, 60, -2 / 6 * 320]) / 255 * 6
    assert found.differ[0].probabilities == pytest.approx([(np.exp(logits) / np.exp(logits).sum()).max()] * 2, rel=1e-4)


def test_a_broken_picture_is_named(tflite: Path, tmp_path: Path, pairs: Path, colours: Path) -> None:
    """Though another process may have met it."""
    (tmp_path / "photo7.png").write_bytes(b"nothing")
    with pytest.raises(PhotoError, match=r"photo7\.png: not a picture"):
        edges([lay_out(tmp_path, tflite / "edges_float.tflite")], pairs)
    (colours / "7.png").write_bytes(b"nothing")
    file = lay_out(tmp_path, tflite / "classes_float.tflite")
    with pytest.raises(PhotoError, match=r"7\.png: not a picture"):
        agreement((file, file), colours)


def test_what_cannot_be_evaluated_is_named(tflite: Path, tmp_path: Path, pairs: Path, colours: Path) -> None:
    good = lay_out(tmp_path / "a", tflite / "edges_float.tflite")
    classes = lay_out(tmp_path / "b", tflite / "classes_float.tflite")
    other = lay_out(tmp_path / "c", tflite / "edges_float.tflite", input=INPUT | {"size": [48, 32, 3]})
    wide = lay_out(tmp_path / "d", tflite / "wide_dynamic.tflite")
    with pytest.raises(PredictError, match="no edge map `fused` of the input's size among its outputs: fuse 1×32×48×1"):
        edges([good], pairs, "fused")
    for file, reason in (
        (classes, "no edge map of the input's size among its outputs: logits 1×4"),
        (wide, "no edge map of the input's size among its outputs: maps"),
        (other, "no edge map of the input's size"),
        (good.with_name("absent.tflite"), "absent.tflite: No such file"),
    ):
        with pytest.raises(PredictError, match=reason):
            edges([good, file], pairs)
    with pytest.raises(PredictError, match="no class scores among its outputs: fuse"):
        agreement((classes, good), colours)
    with pytest.raises(CalibrationError, match="no pictures in it"):
        agreement((classes, classes), tmp_path / "a")
    Image.new("L", (9, 9)).save(tmp_path / "line3.png")
    with pytest.raises(PairError, match=r"line3\.png: 9×9 pixels, and its image has 48×32"):
        edges([good], pairs)


def test_eval_shows_scores(tflite: Path, tmp_path: Path, pairs: Path) -> None:
    one = lay_out(tmp_path / "a", tflite / "edges_float.tflite")
    dim = lay_out(
        tmp_path / "b", tflite / "edges_float.tflite", input=INPUT | {"range": [0, 0.25]}, weights="untrained"
    )
    first, second = edges([one, dim], pairs)
    ran = call("eval", one, dim, "--pairs", pairs).clean()
    assert (ran.code, ran.err) == (0, f"{dim} is untrained: its scores mean nothing yet\n")
    header, _, *rows, _, last = [line.split() for line in ran.out.splitlines()]
    assert header == ["file", "output", "images", "ODS", "at", "OIS", "AP"]
    for row, result in zip(rows, (first, second), strict=True):
        s = result.score
        numbers = [f"{s.ods:.4f}", f"{s.ods_threshold:.3f}", f"{s.ois:.4f}", f"{s.ap:.4f}"]
        assert row == [str(result.file), "fuse", str(COUNT), *numbers]
    assert last[0] == "difference"
    assert float(last[1]) == pytest.approx(second.score.ods - first.score.ods, abs=1e-4)
    assert call("eval", one, "--pairs", pairs).clean().out.count("\n") == 3
    told = json.loads(call("eval", one, dim, "--pairs", pairs, "--json").clean().out)
    assert [entry["score"]["ods"] for entry in told["files"]] == [first.score.ods, second.score.ods]
    assert told["difference"]["ap"] == second.score.ap - first.score.ap
    assert json.loads(call("eval", one, "--pairs", pairs, "--json").clean().out)["difference"] is None


def test_eval_shows_agreement(tflite: Path, tmp_path: Path, colours: Path) -> None:
    one = lay_out(tmp_path / "a", tflite / "classes_float.tflite")
    other = lay_out(tmp_path / "c", tflite / "classes_float.tflite", input=INPUT | {"color": "bgr"})
    ran = call("eval", one, other, "--images", colours).clean()
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "2 of 9 pictures: the same class first (22.22 %)"
    assert len(lines) == 1 + 3 + 7
    assert lines[4].split()[:2] == [str(colours / "0.png"), "0"]
    assert call("eval", one, one, "--images", colours).clean().out.splitlines() == [
        "9 of 9 pictures: the same class first (100.00 %)"
    ]
    told = json.loads(call("eval", one, other, "--images", colours, "--json").clean().out)
    assert (told["images"], told["agree"], told["share"], len(told["differ"])) == (9, 2, 2 / 9, 7)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["F"], 2, "name one of --pairs CSV, --documents N and --images DIR"),
        (["F", "--pairs", "P", "--images", "D"], 2, "name one of --pairs CSV, --documents N and --images DIR"),
        (["F", "F", "F", "--pairs", "P"], 2, "3 files: one or two are scored"),
        (["F", "--images", "D"], 2, "1 files: two are compared"),
        (
            ["F", "F", "--images", "D", "--output", "x"],
            2,
            "--output names an edge map, and goes with --pairs and --documents",
        ),
        (["F", "F", "--images", "D", "--tta"], 2, "--tta averages edge maps, and goes with --pairs and --documents"),
        (["F", "--pairs", "gone.csv"], 1, "gone.csv: No such file or directory"),
        (["F", "--pairs", "P"], 1, "no edge map of the input's size"),
        (["F", "F", "--images", "gone"], 1, "gone: No such file or directory"),
        (["gone.tflite", "F", "--images", "D"], 1, "gone.tflite: No such file or directory"),
    ],
)
def test_eval_says_what_is_wrong(
    tflite: Path, tmp_path: Path, pairs: Path, colours: Path, arguments: list[str], code: int, said: str
) -> None:
    named = {"F": str(lay_out(tmp_path, tflite / "classes_float.tflite")), "P": str(pairs), "D": str(colours)}
    ran = call("eval", *(named.get(word, word) for word in arguments), folder=tmp_path).clean()
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)
    assert ran.err.startswith("error: ")
    assert said in ran.err


def test_the_page_shows_commands_that_there_are() -> None:
    load()
    command = typer.main.get_command(app).commands["eval"]  # type: ignore[attr-defined]
    lines = [one.command for fence in fences(ROOT / "docs" / "eval.md", "console") for one in shown(fence)]
    assert {"--pairs", "--images", "--documents"} <= {word for words in lines for word in words}
    for words in lines:
        assert words[:2] == ["archspec", "eval"]
        command.make_context("eval", list(words[2:]))
    with pytest.raises(click.UsageError):
        command.make_context("eval", [*lines[0][2:], "--no-such-option"])
