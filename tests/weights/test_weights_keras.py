"""Files that Keras writes, against the model that wrote them: each layer's arrays must come back."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weights_networks import chain, slots_of, torch_source

from archspec.weights import Match, Source, WeightsError, match, read_source

keras = pytest.importorskip("keras", reason="the oracle is a Keras model")
h5py = pytest.importorskip("h5py", reason="reads Keras files")

MOBILENET_V1 = (
    (r"conv1(_bn)?", r"stem Conv conv\1"),
    (r"conv_dw_(\d+)(_bn)?", r"dws_\1 DepthSepConv depthwise\2"),
    (r"conv_pw_(\d+)(_bn)?", r"dws_\1 DepthSepConv pointwise\2"),
    (r"conv_preds", "logits Conv conv"),
)
MOBILENET_V2 = (
    (r"Conv1", "stem Conv conv"),
    (r"bn_Conv1", "stem Conv conv_bn"),
    (r"Conv_1", "head Conv conv"),
    (r"Conv_1_bn", "head Conv conv_bn"),
    (r"expanded_conv_(\w+)_BN", r"ir_0 InvertedResidual \1_bn"),
    (r"expanded_conv_(\w+)", r"ir_0 InvertedResidual \1"),
    (r"block_(\d+)_(\w+)_BN", r"ir_\1 InvertedResidual \2_bn"),
    (r"block_(\d+)_(\w+)", r"ir_\1 InvertedResidual \2"),
    (r"predictions", "logits Dense dense"),
)
RESNET_50 = (
    (r"conv1_(conv|bn)", r"stem Conv \1"),
    (r"conv(\d)_block(\d+)_0_conv", r"c\1_\2 Bottleneck shortcut"),
    (r"conv(\d)_block(\d+)_0_bn", r"c\1_\2 Bottleneck shortcut_bn"),
    (r"conv(\d)_block(\d+)_(\d)_conv", r"c\1_\2 Bottleneck conv\3"),
    (r"conv(\d)_block(\d+)_(\d)_bn", r"c\1_\2 Bottleneck conv\3_bn"),
    (r"predictions", "logits Dense dense"),
)


def fill(model: Any, seed: int = 0) -> Any:
    """Random weights, no two tensors alike."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape).astype(np.float32) for w in model.weights])
    return model


def wrong(found: Match, model: Any, ours: Mapping[str, str]) -> list[str]:
    """Layers of ours that got other arrays than the model's layer has."""
    arrays = found.arrays()
    return [
        layer
        for layer, theirs in ours.items()
        if len(arrays[layer]) != len(model.get_layer(theirs).get_weights())
        or any(
            not np.array_equal(a, b) for a, b in zip(arrays[layer], model.get_layer(theirs).get_weights(), strict=True)
        )
    ]


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[Any, Sequence[tuple[str, str]]]]:
    zoo = keras.applications
    small = {"weights": None, "input_shape": (32, 32, 3), "classes": 7}
    return {
        "v1": (fill(zoo.MobileNet(alpha=0.25, **small)), MOBILENET_V1),
        "v2": (fill(zoo.MobileNetV2(alpha=0.35, **small)), MOBILENET_V2),
        "resnet": (fill(small_resnet()), RESNET_50),
    }


def small_resnet() -> Any:
    """ResNet-50's first two stages and its names, a sixteenth of its width."""
    layers = keras.layers

    def conv(x: Any, name: str, depth: int, kernel: int, stride: int = 1) -> Any:
        x = layers.Conv2D(depth, kernel, strides=stride, padding="same", name=f"{name}_conv")(x)
        return layers.BatchNormalization(name=f"{name}_bn")(x)

    image = keras.Input((32, 32, 3))
    x = conv(image, "conv1", 4, 7, 2)
    for stage, depth, blocks, stride in ((2, 4, 3, 1), (3, 8, 4, 2)):
        for block in range(1, blocks + 1):
            name, step = f"conv{stage}_block{block}", stride if block == 1 else 1
            short = conv(x, f"{name}_0", 4 * depth, 1, step) if block == 1 else x
            x = conv(x, f"{name}_1", depth, 1, step)
            x = conv(x, f"{name}_2", depth, 3)
            x = layers.Add()([short, conv(x, f"{name}_3", 4 * depth, 1)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(7, name="predictions")(x))


def test_the_comparison_sees_two_swapped_tensors(networks: dict[str, Any], tmp_path: Path) -> None:
    model, rename = networks["v1"]
    slots, ours = slots_of(model, rename)
    model.save_weights(tmp_path / "m.weights.h5")
    found = match(slots, read_source(tmp_path / "m.weights.h5"))
    swapped = {**ours, "dws_8_pointwise": ours["dws_9_pointwise"]}
    assert wrong(found, model, swapped) == ["dws_8_pointwise"]


@pytest.mark.parametrize("file", ["m.weights.h5", "m.keras", "m.h5"])
@pytest.mark.parametrize("network", ["v1", "v2", "resnet"])
def test_a_file_keras_wrote_comes_back_layer_by_layer(
    networks: dict[str, Any], network: str, file: str, tmp_path: Path
) -> None:
    model, rename = networks[network]
    (model.save_weights if "weights" in file else model.save)(tmp_path / file)
    slots, ours = slots_of(model, rename)
    found = match(slots, read_source(tmp_path / file))
    assert len(found.assignment) == len(slots) == sum(1 for layer in model.layers if layer.weights)
    assert wrong(found, model, ours) == []
    assert not found.unused


@pytest.mark.parametrize("network", ["v1", "v2", "resnet"])
def test_names_alone_are_enough_where_no_order_is_kept(networks: dict[str, Any], network: str) -> None:
    """The same tensors from a format without order, shuffled."""
    model, rename = networks[network]
    slots, ours = slots_of(model, rename)
    tensors = shuffled(tensors_of(model, lambda name: name))
    if network == "v2":  # `Conv1` and the stem of `expanded_conv` share shapes with nothing else
        assert {"Conv1/kernel", "Conv_1/kernel"} <= tensors.keys()
    assert wrong(match(slots, Source("test", tensors)), model, ours) == []


SLIM_V2 = (
    (r"Conv1", "Conv"),
    (r"bn_Conv1", "Conv/BatchNorm"),
    (r"(Conv_1)(_bn)?", r"\1\2"),
    (r"(expanded_conv)_([a-z]+)(_BN)?", r"\1/\2\3"),
    (r"block(_\d+)_([a-z]+)(_BN)?", r"expanded_conv\1/\2\3"),
    (r"predictions", "Logits/Conv2d_1c_1x1"),
)


def test_slim_names_its_mobilenet_v2_so(networks: dict[str, Any]) -> None:
    """nets/mobilenet/mobilenet_v2.py: `MobilenetV2/expanded_conv_1/expand/BatchNorm`; logits are a 1x1 convolution."""
    model, rename = networks["v2"]
    slots, ours = slots_of(model, rename)

    def scope(name: str) -> str:
        pattern, target = next((p, t) for p, t in SLIM_V2 if re.fullmatch(p, name))
        return "MobilenetV2/" + re.sub(r"_(bn|BN)$", "/BatchNorm", re.sub(pattern, target, name))

    leaves = {"kernel": "weights", "depthwise_kernel": "depthwise_weights", "bias": "biases"}
    tensors = {}
    for name, array in shuffled(tensors_of(model, scope)).items():
        head, _, leaf = name.rpartition("/")
        tensors[f"{head}/{leaves.get(leaf, leaf)}"] = (
            array[None, None] if "Logits" in name and array.ndim == 2 else array
        )
    assert "MobilenetV2/expanded_conv_1/expand/BatchNorm/gamma" in tensors
    assert wrong(match(slots, Source("test", tensors)), model, ours) == []


def test_torchvision_names_its_mobilenet_v2_so(networks: dict[str, Any]) -> None:
    """torchvision/models/mobilenetv2.py: numbers only, `features.1.conv.0.0.weight`."""
    model, rename = networks["v2"]
    slots, ours = slots_of(model, rename)
    place = {
        "expand": "0.0",
        "expand_BN": "0.1",
        "depthwise": "1.0",
        "depthwise_BN": "1.1",
        "project": "2",
        "project_BN": "3",
    }
    first = {"depthwise": "0.0", "depthwise_BN": "0.1", "project": "1", "project_BN": "2"}
    scopes = {"Conv1": "features.0.0", "bn_Conv1": "features.0.1", "predictions": "classifier.1"}
    scopes |= {"Conv_1": "features.18.0", "Conv_1_bn": "features.18.1"}
    scopes |= {f"expanded_conv_{role}": f"features.1.conv.{at}" for role, at in first.items()}
    scopes |= {f"block_{i}_{role}": f"features.{i + 1}.conv.{at}" for i in range(1, 17) for role, at in place.items()}
    arrays = {
        slot.layer: dict(zip(dict(slot.weights), model.get_layer(ours[slot.layer]).get_weights(), strict=True))
        for slot in slots
    }
    source = torch_source(slots, arrays, {layer: scopes[theirs] for layer, theirs in ours.items()})
    assert wrong(match(slots, Source("safetensors", shuffled(source.tensors))), model, ours) == []


@pytest.mark.parametrize("network", ["v1", "v2"])
def test_automatic_names_are_enough_for_a_chain(networks: dict[str, Any], network: str) -> None:
    model, rename = networks[network]
    slots, ours = slots_of(model, rename)
    automatic = automatic_names(model)
    tensors = shuffled(tensors_of(model, automatic.__getitem__))
    assert wrong(match(slots, Source("test", tensors)), model, ours) == []


def test_automatic_names_of_parallel_layers_are_refused(networks: dict[str, Any]) -> None:
    model, rename = networks["resnet"]
    slots, _ = slots_of(model, rename)
    automatic = automatic_names(model)
    with pytest.raises(WeightsError, match=r"ambiguous: .*row `c2_1` \(layer `c2_1_shortcut`\)"):
        match(slots, Source("test", tensors_of(model, automatic.__getitem__)))


def test_words_without_order_are_refused_or_right(networks: dict[str, Any]) -> None:
    """Each layer a word of its own, in no order. Shapes settle some layers, the rest is a doubt."""
    model, rename = networks["v1"]
    slots, _ = slots_of(model, rename)
    names = {layer.name: "word" + "abcdefghij"[i // 10] + "abcdefghij"[i % 10] for i, layer in enumerate(model.layers)}
    with pytest.raises(WeightsError, match="ambiguous") as error:
        match(slots, Source("test", tensors_of(model, names.__getitem__)))
    assert "`dws_7_pointwise`" in str(error.value)
    assert "`stem_conv`" not in str(error.value)


def test_the_order_of_a_file_is_enough_where_names_say_nothing(networks: dict[str, Any], tmp_path: Path) -> None:
    model, rename = networks["v1"]
    slots, ours = slots_of(model, rename)
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "r+") as file:
        for i, group in enumerate(file["layers"].values()):
            if "vars" in group:
                group["vars"].attrs["name"] = "word" + "abcdefghij"[i // 10] + "abcdefghij"[i % 10]
    assert wrong(match(slots, read_source(tmp_path / "m.weights.h5")), model, ours) == []


def test_training_state_is_skipped_and_named(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2D(3, 1, name="a"), keras.layers.Dropout(0.5)])
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 4, 4, 2)), np.zeros((2, 4, 4, 3)), verbose=0)
    slots, ours = slots_of(model, [("a", "x Conv conv")])
    for file in ("m.keras", "m.h5", "m.weights.h5"):
        (model.save_weights if "weights" in file else model.save)(tmp_path / file)
        if "weights" in file:  # Keras 3.0 kept the state of random layers there
            with h5py.File(tmp_path / file, "r+") as root:
                root["layers/dropout/seed_generator/vars/0"] = np.zeros(2, np.uint32)
        source = read_source(tmp_path / file)
        assert any(name.startswith("optimizer") for name in source.skipped), file
        assert ("layers/dropout/seed_generator/vars/0" in source.skipped) == ("weights" in file)
        assert source.classes == {"a": "conv2d"}
        assert wrong(match(slots, source), model, ours) == []


def test_a_model_inside_the_model_and_other_layers(tmp_path: Path) -> None:
    layers = keras.layers
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="a"),
            layers.BatchNormalization(name="n", scale=False),
        ],
        name="inner",
    )
    image = keras.Input((8, 8, 3))
    x = layers.SeparableConv2D(5, 3, name="sep")(inner(image))
    x = layers.Conv2DTranspose(6, 2, name="up")(x)
    model = fill(keras.Model(image, layers.Dense(3, name="top")(x)))
    a, n, sep = inner.get_layer("a"), inner.get_layer("n"), model.get_layer("sep").get_weights()
    slots = chain(
        ("a", "conv", {"kernel": (3, 3, 3, 4), "bias": (4,)}),
        ("n", "norm", {"beta": (4,), "moving_mean": (4,), "moving_variance": (4,)}),
        ("depthwise", "depthwise", {"kernel": (3, 3, 4, 1)}),
        ("pointwise", "conv", {"kernel": (1, 1, 4, 5), "bias": (5,)}),
        ("up", "transpose", {"kernel": (2, 2, 6, 5), "bias": (6,)}),
        ("top", "dense", {"kernel": (6, 3), "bias": (3,)}),
    )
    for file in ("m.keras", "m.h5"):
        model.save(tmp_path / file)
        arrays = match(slots, read_source(tmp_path / file)).arrays()
        expected = [*a.get_weights(), *n.get_weights(), *sep]
        got = [x for name in ("x_a", "x_n", "x_depthwise", "x_pointwise") for x in arrays[name]]
        assert all(np.array_equal(x, y) for x, y in zip(got, expected, strict=True))
        np.testing.assert_array_equal(arrays["x_up"][0], model.get_layer("up").get_weights()[0])
    # A .weights.h5 does not say whether three vectors of a norm lack gamma or beta.
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(WeightsError, match="`inner/n/0`"):
        match(slots, read_source(tmp_path / "m.weights.h5"))


def test_a_file_of_ours_matches_by_name_even_where_structure_is_in_doubt(tmp_path: Path) -> None:
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    branches = [
        layers.BatchNormalization(name=f"{n}_bn", center=False)(layers.Conv2D(4, 1, name=f"{n}_conv")(image))
        for n in "ab"
    ]
    model = fill(keras.Model(image, layers.Add()(branches)))
    slots, ours = slots_of(model, [("([ab])_(conv|bn)", r"\1 Conv \2")])
    model.save_weights(tmp_path / "m.weights.h5")
    found = match(slots, read_source(tmp_path / "m.weights.h5"))
    assert wrong(found, model, ours) == []
    assert {entry.how for entry in found.entries} == {"same name"}


def tensors_of(model: Any, name: Callable[[str], str]) -> dict[str, Any]:
    """The model's arrays as Keras 2 named them, with each layer renamed."""
    return {
        f"{name(layer.name)}/{f'depthwise_{leaf}' if is_depthwise(layer) else leaf}": array
        for layer in model.layers
        for leaf, array in zip([w.path.rpartition("/")[2] for w in layer.weights], layer.get_weights(), strict=True)
    }


def is_depthwise(layer: Any) -> bool:
    return type(layer).__name__ == "DepthwiseConv2D"


def automatic_names(model: Any) -> dict[str, str]:
    """What Keras would have called each layer: counted by class."""
    counts: dict[str, int] = {}
    names = {}
    for layer in model.layers:
        stem = keras.src.utils.naming.to_snake_case(type(layer).__name__)
        counts[stem] = counts.get(stem, -1) + 1
        names[layer.name] = f"{stem}_{counts[stem]}" if counts[stem] else stem
    return names


def shuffled(tensors: Mapping[str, Any]) -> dict[str, Any]:
    names: Iterable[str] = np.random.default_rng(5).permutation(sorted(tensors))
    return {str(name): tensors[str(name)] for name in names}
