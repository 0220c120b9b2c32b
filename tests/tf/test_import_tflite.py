"""`--folded` and .tflite files on the command line; Google's networks answer as their own files do."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from building import CLASSIFIER, answers, files, manifest
from command import Ran, call
from networks import SPECS
from numpy.typing import NDArray
from PIL import Image
from zoo import randomize, relative_error, spec_network

from archspec import passes
from archspec.analysis import network, open_spec
from archspec.slots import slots_of
from archspec.tf.lower import assign, lower
from archspec.weights import match, read_source

TINY = CLASSIFIER + "targets: {x86_64: {quantize: none}}\n"
ARTIFACT = "x86_64/model.tflite"


def built(folder: Path, name: str, *options: str | Path) -> Path:
    """The folder of a build of tiny.yaml."""
    ran = call("build", "tiny.yaml", "--out", name, *options, folder=folder).clean()
    assert ran.code == 0, ran.err
    return folder / name / "tiny"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec, weights with batch norms (a.keras), and a folded build of them."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.yaml").write_text(TINY)
    model = lower(network(open_spec(folder / "tiny.yaml")).graph)
    randomize(model)
    model.save(folder / "a.keras")
    built(folder, "folded", "--folded", "--weights", "a.keras")
    return folder


def differs(build: Path, model: Any) -> float:
    """How far an artifact's answers are from a Keras model's."""
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    return relative_error(answers(build / ARTIFACT, images)["logits"], model(images, training=False)["logits"])


def test_any_weights_are_folded(tiny: Path) -> None:
    build = tiny / "folded" / "tiny"
    whole, made = keras.models.load_model(tiny / "a.keras"), keras.models.load_model(build / "model.keras")
    assert differs(build, whole) <= 1e-5
    assert not [layer for layer in made.layers if isinstance(layer, keras.layers.BatchNormalization)]
    said = manifest(build)
    assert (said["folded"], said["set"], said["params"]) == (True, [], made.count_params())
    assert said["params"] < whole.count_params()


def test_no_weights_are_folded(tiny: Path) -> None:
    model = lower(network(open_spec(tiny / "tiny.yaml")).graph)
    build = built(tiny, "untrained", "--folded")
    assert differs(build, model) <= 1e-5
    assert differs(build, keras.models.load_model(tiny / "a.keras")) > 1e-2


def test_weights_are_folded_on_their_way_in(tiny: Path) -> None:
    graph = network(open_spec(tiny / "tiny.yaml")).graph
    ran = call("import", "a.keras", "tiny.yaml", "--folded", "-o", "f.weights.h5", folder=tiny).clean()
    assert ran.code == 0, ran.err
    made, whole = lower(passes.fold_batch_norm(graph)), keras.models.load_model(tiny / "a.keras")
    made.load_weights(tiny / "f.weights.h5")
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    got, wanted = (model(images, training=False)["logits"] for model in (made, whole))
    assert relative_error(got, wanted) <= 1e-5


def test_a_file_of_ours_is_imported_and_built_from_again(tiny: Path) -> None:
    source = tiny / "folded" / "tiny" / ARTIFACT
    ran = call("import", source, "tiny.yaml", "--folded", "-o", "w.weights.h5", folder=tiny).clean()
    assert ran.code == 0, ran.err
    assert "left in source: none; left in spec: none" in ran.out
    whole = keras.models.load_model(tiny / "a.keras")
    again = built(tiny, "again", "--folded", "--weights", "w.weights.h5", "--outputs", "logits")
    assert differs(again, whole) <= 1e-5
    before = files(tiny)
    note = "note: w.weights.h5 has no batch norms; if biases stand for them, use --folded\n"
    ran = call("build", "tiny.yaml", "--weights", "w.weights.h5", folder=tiny).clean()
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.endswith(note), ran.err
    assert files(tiny) == before


@pytest.mark.parametrize("command", ["build", "import"])
def test_a_tflite_file_without_folding_is_refused(tiny: Path, command: str) -> None:
    source, before = tiny / "folded" / "tiny" / ARTIFACT, files(tiny)
    arguments: list[str | Path] = ["build", "tiny.yaml", "--weights", source]
    if command == "import":
        arguments = ["import", source, "tiny.yaml", "-o", "x.weights.h5"]
    ran = call(*arguments, folder=tiny).clean()
    said = f"error: {source}: in a TFLite file biases stand for batch norms; use --folded\n"
    assert (ran.code, ran.out, ran.err) == (1, "", said)
    assert files(tiny) == before


# --- Google's networks

Arrays = dict[str, list[NDArray[np.float32]]]

CLASSES = "let.classes=1001"
CORAL = {
    "tf2_mobilenet_v2_1.0_224_ptq": ("mobilenet_v2", None),
    "mobilenet_v2_1.0_224_quant": ("mobilenet_v2", None),
    "mobilenet_v1_0.25_128_quant": ("mobilenet_v1", "w0.25-r128"),
}
PHOTOS = {"cat": "Egyptian cat", "grace_hopper": "military uniform", "parrot": "macaw"}
SEEN = {"mobilenet_v1_0.25_128_quant": {"grace_hopper": "academic gown, academic robe, judge's robe"}}
NEAR = 0.15  # of the likeliest class's probability: the source's own activations are quantized, ours otherwise or not


def own_answer(file: Path, photo: Path) -> NDArray[np.float64]:
    """The probabilities by the file itself, which takes pixels as they are."""
    interpreter = Interpreter(model_path=str(file))
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    _, height, width, _ = taken["shape"]
    image = np.asarray(Image.open(photo).convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
    assert image.dtype == taken["dtype"]
    interpreter.set_tensor(taken["index"], image[None])
    interpreter.invoke()
    scale, zero = given["quantization"]
    return np.asarray((interpreter.get_tensor(given["index"])[0].astype(np.float64) - zero) * scale)


def predicted(artifact: Path, photo: Path, labels: Path) -> list[dict[str, Any]]:
    ran = call("predict", artifact, photo, "--labels", labels, "--json").clean()
    assert ran.code == 0, ran.err
    classes: list[dict[str, Any]] = json.loads(ran.out)["classes"]
    return classes


def assert_alike(classes: Sequence[dict[str, Any]], own: NDArray[np.float64], label: str) -> None:
    """The likeliest class is the source's own, is called so, and is about as likely."""
    assert classes[0]["index"] == int(np.argmax(own))
    assert classes[0]["label"] == label
    assert abs(classes[0]["probability"] - own.max()) <= NEAR


def test_another_answer_is_noticed() -> None:
    own = np.array([0.1, 0.7, 0.2])
    assert_alike([{"index": 1, "label": "macaw", "probability": 0.65}], own, "macaw")
    for other in ({"index": 2}, {"label": "cat"}, {"probability": 0.5}):
        with pytest.raises(AssertionError):
            assert_alike([{"index": 1, "label": "macaw", "probability": 0.65} | other], own, "macaw")


def built_from(name: str, source: Path, folder: Path) -> Ran:
    """A build of one of Google's files below `folder`; the small one's weights are imported first."""
    spec, variant = CORAL[name]
    which: list[str | Path] = [SPECS / f"{spec}.yaml", "--set", CLASSES, "--folded"]
    weights = source
    if variant:
        which, weights = [*which, "--variant", variant], folder / "folded.weights.h5"
        ran = call("import", source, *which, "-o", weights).clean()
        assert ran.code == 0, ran.err
        assert "left in source: none; left in spec: none" in ran.out
    return call("build", *which, "--weights", weights, "--calibrate", folder / "photos", "--out", folder).clean()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if "v1" in name else [pytest.mark.slow]) for name in CORAL]
)
def test_google_s_networks(name: str, shared: Callable[[str], Path], tmp_path: Path) -> None:
    source, labels = shared(f"coral/{name}.tflite"), shared("coral/imagenet_labels.txt")
    (tmp_path / "photos").mkdir()
    for photo in (*PHOTOS, "bird_segmentation"):
        (tmp_path / "photos" / f"{photo}.png").symlink_to(shared(f"coral/{photo}.png"))
    ran = built_from(name, source, tmp_path)
    assert (ran.code, "warning" in ran.err) == (0, False), ran.err
    spec, variant = CORAL[name]
    said = manifest(tmp_path / spec)
    assert (said["folded"], said["set"], said["variant"]) == (True, [CLASSES], variant)
    for photo, label in PHOTOS.items():
        own = own_answer(source, shared(f"coral/{photo}.png"))
        for abi in ("x86_64", "arm64-v8a"):  # float, int8
            classes = predicted(tmp_path / spec / abi / "model.tflite", shared(f"coral/{photo}.png"), labels)
            assert_alike(classes, own, SEEN.get(name, {}).get(photo, label))


def test_swapped_weights_are_noticed(shared: Callable[[str], Path]) -> None:
    name = "mobilenet_v1_0.25_128_quant"
    source = shared(f"coral/{name}.tflite")
    graph = spec_network(*CORAL[name], CLASSES).graph
    model = lower(passes.fold_batch_norm(graph))
    arrays = match(slots_of(passes.fold_batch_norm(graph)), read_source(source)).arrays()
    photo = shared("coral/parrot.png")
    pixels = np.asarray(Image.open(photo).convert("RGB").resize((128, 128), Image.Resampling.BILINEAR), np.float32)

    def likeliest(arrays: Arrays) -> tuple[int, float]:
        assign(model, arrays)
        scores = np.asarray(model(pixels[None] / 127.5 - 1, training=False)["logits"], np.float64)[0]
        shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        return int(np.argmax(shares)), float(shares.max())

    own = own_answer(source, photo)
    found, share = likeliest(arrays)
    assert (found, abs(share - own.max()) <= NEAR) == (int(np.argmax(own)), True)
    swap = {"c4_2_pointwise": "c4_5_pointwise", "c4_5_pointwise": "c4_2_pointwise"}
    found, share = likeliest({layer: arrays[swap.get(layer, layer)] for layer in arrays})
    assert found != int(np.argmax(own)) or abs(share - own.max()) > NEAR
