"""Boxes that a file gives by itself: TensorFlow Lite's op behind our heads, against our own suppression in NumPy."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from building import manifest
from command import ROOT, Ran, call, start
from little import built, spec
from PIL import Image

from archspec.artifact import inspect_tflite, run_tflite
from archspec.claims import ClaimError
from archspec.detection.anchors import Heads, heads_of
from archspec.detection.found import Objects, candidates, found
from archspec.graph import Graph, cut
from archspec.jobs import Conversion
from archspec.nms.proof import disagreement, objects_of, suppressed
from archspec.nms.tail import OUTPUTS, suppressing
from archspec.quantize.calibrate import ranges
from archspec.spec import Nms
from archspec.tf.artifacts import artifact
from archspec.tf.export import convert
from archspec.tf.lower import lower

ANCHORS = "ratios: [1, 2, 0.5], between: 0.5"
ROWS = (
    "Conv: {depth: 8, stride: 4, activation: relu6, name: t1}",
    "Conv: {depth: 8, stride: 2, activation: relu6, name: t2}",
    f"SSDHead: {{from: t1, values: 4, scale: 0.3, {ANCHORS}, name: b1}}",
    f"SSDHead: {{from: t2, values: 4, scale: 0.6, {ANCHORS}, name: b2}}",
    f"SSDHead: {{from: t1, values: 4, scale: 0.3, {ANCHORS}, name: s1}}",
    f"SSDHead: {{from: t2, values: 4, scale: 0.6, {ANCHORS}, name: s2}}",
)
HEAD = "outputs: [b1, b2, s1, s2]\nlabels: [cat, dog, cow]\n"
IMAGES = np.random.default_rng(0).uniform(0, 1, (12, 32, 32, 3)).astype(np.float32)
SCHEMES = [("none", "float32"), ("float16", "float32"), ("int8", "int8"), ("int8", "uint8"), ("int8", "float32"),
           ("int16x8", "int16")]  # fmt: skip
SETTINGS = [Nms(), Nms(most=1), Nms(most=7), Nms(score=0.4, overlap=0.3), Nms(score=0, overlap=1, most=400)]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return built(spec(*ROWS, head=HEAD)).graph


@pytest.fixture(scope="module")
def flat(graph: Graph) -> bytes:
    """The float file, of random weights by which boxes and scores differ."""
    model, rng = lower(graph), np.random.default_rng(1)
    for layer in model.layers:
        layer.set_weights([rng.normal(0, 0.6, w.shape) if w.ndim > 1 else np.abs(w) for w in layer.get_weights()])
    return convert(model, [name for name, _ in graph.outputs])


@pytest.fixture(scope="module")
def heads(graph: Graph) -> Heads:
    return heads_of(graph)


@pytest.mark.parametrize("nms", SETTINGS, ids=str)
def test_a_float_file_finds_what_numpy_does(flat: bytes, heads: Heads, nms: Nms) -> None:
    maps, said = run_tflite(flat, IMAGES), run_tflite(suppressing(flat, heads, nms), IMAGES)
    assert list(said) == list(OUTPUTS)
    assert said["boxes"].shape == (len(IMAGES), nms.most, 4)
    for image in range(len(IMAGES)):
        given = objects_of({name: answer[image] for name, answer in said.items()})
        wanted = found(heads, {name: answer[image] for name, answer in maps.items()}, nms)
        np.testing.assert_allclose(given.scores, wanted.scores, atol=1e-5)
        gaps = np.concatenate([[1], -np.diff(wanted.scores), [1]])
        clear = np.minimum(gaps[:-1], gaps[1:]) > 2e-5  # of two with one score either may come first
        assert clear.mean() > 0.5
        assert given.classes[clear].tolist() == wanted.classes[clear].tolist()
        np.testing.assert_allclose(given.boxes[clear], wanted.boxes[clear], atol=1e-5)
        assert not said["scores"][image, len(given.scores) :].any()
    assert {0, 1, 2} == set(said["classes"].ravel().tolist()) or nms.most == 1


@pytest.mark.parametrize(("scheme", "border"), SCHEMES)
def test_files_of_every_scheme_give_the_boxes_of_their_heads(
    flat: bytes, graph: Graph, scheme: str, border: str
) -> None:
    conversion = Conversion("0", scheme, border, None, (), "", "plain")
    data = artifact(flat, graph, conversion, lambda: ranges(flat, IMAGES))
    for nms in SETTINGS:
        made = inspect_tflite(suppressed(data, graph, nms, IMAGES))
        assert [info.dtype for info in made.inputs] == [border]
        assert [(info.name, info.dtype) for info in made.outputs] == [(name, "float32") for name in OUTPUTS]


def test_one_map_needs_no_concatenation() -> None:
    graph = built(spec(ROWS[0], ROWS[2], ROWS[4], head="outputs: [b1, s1]\n")).graph
    flat = convert(lower(graph), ["b1", "s1"])
    ops = [use.op for use in inspect_tflite(suppressed(flat, graph, Nms(score=0.2), IMAGES)).ops]
    assert "CONCATENATION" not in ops
    assert ops.count("TFLite_Detection_PostProcess") == 1


def moved(given: Objects, **changes: Any) -> Objects:
    return given._replace(**changes)


def at(values: Any, index: int, value: Any) -> Any:
    changed = values.copy()
    changed[index] = value
    return changed


TAMPERED = {
    "left out": lambda o: Objects(o.boxes[1:], o.scores[1:], o.classes[1:]),
    "the last left out": lambda o: Objects(o.boxes[:-1], o.scores[:-1], o.classes[:-1]),
    "twice": lambda o: Objects(*(np.concatenate([v[:1], v]) for v in o)),
    "another class": lambda o: moved(o, classes=at(o.classes, 0, (o.classes[0] + 1) % 3)),
    "a class that is none": lambda o: moved(o, classes=at(o.classes, 0, 3)),
    "another score": lambda o: moved(o, scores=at(o.scores, 0, o.scores[0] + 0.001)),
    "another order": lambda o: Objects(*(v[::-1] for v in o)),
    "another box": lambda o: moved(o, boxes=at(o.boxes, 0, o.boxes[0] + 0.001)),
    "sides swapped": lambda o: moved(o, boxes=o.boxes[:, [1, 0, 3, 2]]),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_boxes_that_are_not_those_of_the_heads_are_noticed(flat: bytes, heads: Heads, how: str) -> None:
    maps = {name: answer[0] for name, answer in run_tflite(flat, IMAGES[:1]).items()}
    nms = Nms(score=0.3)
    good = found(heads, maps, nms)
    assert len(good.scores) > 3
    assert disagreement(heads, maps, good, nms) is None
    assert disagreement(heads, maps, TAMPERED[how](good), nms) is not None


@pytest.mark.parametrize("other", [Nms(0.4, 0.5, 300), Nms(0.3, 0.2, 300), Nms(0.3, 0.5, 3)], ids=str)
def test_other_settings_are_noticed(flat: bytes, heads: Heads, other: Nms) -> None:
    maps = {name: answer[0] for name, answer in run_tflite(flat, IMAGES[:1]).items()}
    nms = Nms(0.3, 0.5, 300)
    mine, theirs = found(heads, maps, nms), found(heads, maps, other)
    assert len(mine.scores) > len(theirs.scores)
    assert disagreement(heads, maps, theirs, nms) is not None
    assert disagreement(heads, maps, mine, other) is not None


def test_of_equal_scores_any_may_stay(heads: Heads) -> None:
    """All anchors say the same: which of those that overlap stays is left to the order of a sort."""
    size = {"b1": 8, "b2": 4, "s1": 8, "s2": 4}
    maps = {name: np.zeros((n, n, 16), np.float32) for name, n in size.items()}
    boxes, scores = candidates(heads, maps)
    nms = Nms(score=0.2, most=10)
    backwards = replace(heads, anchors=heads.anchors[::-1].copy())
    other = found(backwards, maps, nms)
    assert not np.array_equal(other.boxes, found(heads, maps, nms).boxes)
    assert disagreement(heads, maps, other, nms) is None
    assert scores.max() == pytest.approx(0.25)
    assert len(boxes) == len(heads.anchors)


def test_rows_that_are_no_heads_are_refused(flat: bytes, graph: Graph) -> None:
    with pytest.raises(ClaimError, match=r"^nms: output `t1` is no `SSDHead` row$"):
        suppressed(flat, cut(graph, ("t1",)), Nms(), IMAGES)


# as a user would


TARGETS = """\
targets:
  x86_64:      {quantize: none, nms: {most: 5}}
  arm64-v8a:   {quantize: int8, nms: {score: 0.2, overlap: 0.4, most: 8}}
  armeabi-v7a: {quantize: int8}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, its build, and a photo."""
    made = tmp_path_factory.mktemp("nms")
    (made / "boxes.yaml").write_text(spec(*ROWS, head=HEAD + TARGETS))
    Image.fromarray((IMAGES[0] * 255).astype(np.uint8)).resize((96, 64)).save(made / "photo.png")
    ran = start("build", "boxes.yaml", folder=made).clean()
    assert ran.code == 0, ran.err
    return made


def test_the_manifest_tells_what_comes_out(folder: Path) -> None:
    entries = {entry["abi"]: entry for entry in manifest(folder / "build/m")["artifacts"]}
    assert entries["x86_64"]["nms"] == {"score": 0.01, "overlap": 0.5, "most": 5}
    assert entries["armeabi-v7a"]["nms"] is None
    for abi, most in (("x86_64", 5), ("arm64-v8a", 8)):
        entry = entries[abi]
        shapes = [(info["name"], info["shape"]) for info in entry["outputs"]]
        assert shapes == [("boxes", [1, most, 4]), ("classes", [1, most]), ("scores", [1, most]), ("count", [1])]
        assert sorted(entry["difference"]) == ["b1", "b2", "s1", "s2"], "maps can be held to the float model's"
        data = (folder / "build/m" / abi / "model.tflite").read_bytes()
        assert entry["bytes"] == len(data)
        assert {use["op"] for use in entry["ops"]} >= {"CONV_2D", "SOFTMAX", "TFLite_Detection_PostProcess"}
    islands = [island["op"] for island in entries["arm64-v8a"]["float_islands"]]
    assert set(islands) == {"DEQUANTIZE", "RESHAPE", "CONCATENATION", "SOFTMAX", "TFLite_Detection_PostProcess"}
    assert [info["name"] for info in entries["armeabi-v7a"]["outputs"]] == ["b1", "b2", "s1", "s2"]
    assert entries["armeabi-v7a"]["float_islands"] == []


def test_labels_name_classes_in_the_file_and_in_the_app(folder: Path) -> None:
    with zipfile.ZipFile(folder / "build/m/arm64-v8a/model.tflite") as archive:
        assert archive.read("labels.txt").decode().split() == ["cat", "dog", "cow"]
    readme = (folder / "build/m/android/README.txt").read_text()
    assert 'answers["boxes"]  // 5×4 Of each object the top, left, bottom and right, ' in readme
    assert 'answers["count"]  // 1 How many there are; ' in readme
    assert 'answers.getValue("classes").take(answers.getValue("count")[0].toInt()).map { labels[it.toInt()] }' in readme


def test_predict_draws_what_is_likely_and_tells_all(folder: Path) -> None:
    file, photo = "build/m/arm64-v8a/model.tflite", "photo.png"
    ran = call("predict", file, photo, "--labels", "build/m/labels.txt", "--json", folder=folder).clean()
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert (told["task"], told["picture"]) == ("objects", "photo.m.objects.png")
    objects = told["objects"]
    assert 0 < len(objects) <= 8
    for one in objects:
        left, top, right, bottom = one["box"]
        assert 0 <= left <= right <= 96
        assert 0 <= top <= bottom <= 64
        assert one["label"] == ("cat", "dog", "cow")[one["index"]]
        assert one["score"] >= 0.2
    with Image.open(folder / "photo.m.objects.png") as picture:
        assert picture.size == (96, 64)
    lines = call("predict", file, photo, folder=folder).clean().out.splitlines()
    likely = [one for one in objects if one["score"] >= 0.5]
    if likely:
        assert len(lines) == 3 + len(likely)
    else:
        assert lines == [f"no object found: the likeliest has a score of {objects[0]['score']:.2f}"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--page", "p.png"), "p.png: build/m/x86_64/model.tflite gives objects, so there is no document to write"),
        (("-o", "p.jpg"), "p.jpg: the picture is a PNG"),
        (("--labels", "one.txt"), "one.txt: 1 labels, and the file gives more classes"),
    ],
)
def test_what_predict_cannot_do_with_objects(folder: Path, options: tuple[str, ...], message: str) -> None:
    (folder / "one.txt").write_text("cat\n")
    ran = call("predict", "build/m/x86_64/model.tflite", "photo.png", *options, folder=folder)
    assert (ran.code, message in ran.err) == (1, True), ran.err
    assert not (folder / "p.png").exists()


def test_boxes_are_no_class_scores(folder: Path) -> None:
    files = [f"build/m/{abi}/model.tflite" for abi in ("x86_64", "arm64-v8a")]
    ran = call("eval", *files, "--images", ".", folder=folder)
    assert ran.code == 1
    assert f"{files[0]}: no class scores among its outputs: boxes 1×5×4, classes 1×5, scores 1×5, count 1" in ran.err


def test_verify_replays_boxes(folder: Path) -> None:
    text = spec(*ROWS, head=HEAD + "targets: {x86_64: {quantize: int8, nms: {most: 5}}}\n")
    (folder / "here.yaml").write_text(text.replace("model: m", "model: here"))
    for arguments in (("build", "here.yaml"), ("verify", "build/here")):
        ran: Ran = start(*arguments, folder=folder).clean()
        assert ran.code == 0, ran.err
    results = manifest(folder / "build/here")["verified"]["results"]
    assert [result["good"] for result in results] == [True] * 3
    assert {result["from_float"] for result in results} == {None}


def test_a_network_without_heads_has_no_boxes() -> None:
    ran = call("build", ROOT / "specs" / "digits.yaml", "--set", "targets={x86_64: {nms: {}}}")
    assert ran.code == 1
    assert "`nms` needs the heads of an SSD: output `" in ran.err
