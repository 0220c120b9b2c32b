"""What the layers of a Keras file read, against the model that was saved, and against configurations by hand."""

from pathlib import Path
from typing import Any

import pytest

from archspec.weights import read_source
from archspec.weights.keras_graph import read_graph
from archspec.weights.upstream import IMAGE, join

keras = pytest.importorskip("keras", reason="it writes the files")


def network() -> Any:
    """A model with a model in a model, one of which gives two tensors; a layer called twice; operators."""
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    inner = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(4, 3, name="a"), layers.ReLU()], name="inner")
    x = keras.Input((14, 14, 4))
    twins = {"y": layers.Conv2D(4, 1, name="c")(x), "b": layers.Conv2D(4, 1, name="b")(x)}
    parts = [keras.Input((16, 16, 3)), layers.Rescaling(2.0), inner, keras.Model(x, twins, name="functional")]
    outer = keras.Sequential(parts, name="outer")
    two = outer(image)
    relu = layers.ReLU()
    x = relu(two["b"] + two["y"])
    x = x * keras.ops.sigmoid(x)
    x = layers.Concatenate()([x / 6.0 + 3.0, x[..., :2], layers.MaxPooling2D(3, 1, "same")(two["y"])])
    x = layers.SeparableConv2D(6, 3, name="sep")(layers.ZeroPadding2D()(relu(x)))
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Multiply()([x, layers.Dense(6, name="gate")(layers.GlobalAveragePooling2D()(x))])
    x = layers.Subtract()([x, layers.Conv2D(6, 1, name="last")(layers.Dropout(0.5)(x))])
    return keras.Model(image, layers.Dense(3, name="top")(layers.Flatten()(x)))


GATED = join("multiply", ["norm", "gate"])
SUMMED = join("add", ["outer/functional/b", "outer/functional/c"])
WANTED = {
    "outer/inner/a": IMAGE,
    "outer/functional/b": "outer/inner/a",
    "outer/functional/c": "outer/inner/a",
    "sep": join("concat", [SUMMED, SUMMED, join("max", ["outer/functional/c"])]),
    "norm": "sep",
    "gate": join("avg", ["norm"]),
    "last": GATED,
    "top": join("layer Subtract", [GATED, "last"]),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the network in all formats, and without models inside as `flat.h5`."""
    folder = tmp_path_factory.mktemp("files")
    model = network()
    for name in ("m.keras", "m.h5", "m.weights.h5"):
        (model.save_weights if "weights" in name else model.save)(folder / name)
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(3, 1, name="a")(image)
    keras.Model(image, keras.layers.Conv2D(2, 1, name="b")(keras.layers.Add()([x, image]))).save(folder / "flat.h5")
    return folder


def test_what_each_layer_reads(files: Path) -> None:
    assert dict(read_source(files / "m.keras").reads) == WANTED
    assert dict(read_source(files / "flat.h5").reads) == {"a": IMAGE, "b": join("add", ["a", IMAGE])}


def test_scopes_without_the_names_of_inner_models_have_no_graph(files: Path) -> None:
    source = read_source(files / "m.h5")
    assert "outer/b/kernel" in source.tensors
    assert source.reads == {}


def test_weights_alone_have_no_graph(files: Path) -> None:
    assert read_source(files / "m.weights.h5").reads == {}


def test_keras_2_wrote_calls_as_lists() -> None:
    """As in the files of TensorFlow 2: a list of calls, each a list of [layer, call, output, keywords]."""

    def layer(kind: str, name: str, *calls: Any, **options: Any) -> dict[str, Any]:
        return {"class_name": kind, "name": name, "config": {"name": name, **options}, "inbound_nodes": list(calls)}

    config = {
        "name": "model",
        "layers": [
            layer("InputLayer", "image"),
            layer("Conv2D", "a", [["image", 0, 0, {}]]),
            layer("Conv2D", "b", [["act", 0, 0, {}]]),
            layer("ReLU", "act", [["a", 0, 0, {}]], [["b", 0, 0, {}]]),
            layer("TFOpLambda", "tf.math.subtract", ["act", 1, 0, {"y": ["act", 0, 0], "name": None}]),
            layer("Concatenate", "cat", [["tf.math.subtract", 0, 0, {}], ["b", 0, 0, {}]], axis=3),
            layer("Concatenate", "boxes", [["cat", 0, 0, {}], ["a", 0, 0, {}]], axis=1),
            layer("Dense", "top", [["boxes", 0, 0, {}]]),
        ],
        "input_layers": [["image", 0, 0]],
        "output_layers": [["top", 0, 0]],
    }
    subtracted = join("layer TFOpLambda", ["b", "a"])
    boxes = join("concat along 1", [join("concat", [subtracted, "b"]), "a"])
    assert read_graph(config, {"a", "b", "top"}) == {"a": IMAGE, "b": "a", "top": boxes}


@pytest.mark.parametrize("weighted", [{"a"}, {"a", "top"}])
def test_a_layer_with_weights_that_runs_twice_has_no_one_place(weighted: set[str]) -> None:
    image = keras.Input((4, 4, 3))
    shared = keras.layers.Conv2D(3, 1, name="a")
    model = keras.Model(image, keras.layers.Dense(2, name="top")(shared(shared(image))))
    assert read_graph(model.get_config(), weighted) == {}


@pytest.mark.parametrize(
    "config",
    [
        {},
        [],
        None,
        {"width": 0.5},
        {"layers": 3},
        {"layers": [{"class_name": "Conv2D"}]},
        {"layers": [], "input_layers": [["x"]], "output_layers": []},
        {
            "layers": [
                {"class_name": "Add", "name": n, "config": {}, "inbound_nodes": [[[m, 0, 0], ["a", 0, 0]]]}
                for n, m in ("ab", "ba")
            ]
            + [{"class_name": "Conv2D", "name": "c", "config": {}, "inbound_nodes": [[["a", 0, 0]]]}],
            "input_layers": [],
            "output_layers": [["c", 0, 0]],
        },
    ],
)
def test_what_tells_no_graph_is_none(config: Any) -> None:
    assert read_graph(config, {"c"}) == {}
