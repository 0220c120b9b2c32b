"""Keras files: legacy .h5, Keras 3 .weights.h5 and .keras. Nothing in them is instantiated."""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from archspec.weights.errors import WeightsError
from archspec.weights.keras_graph import read_graph
from archspec.weights.units import Array, Source, scopes_of

# Order of `vars/N` in Keras 3 layers, by class in snake case.
VARIABLES = {
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
TRAINED_AS = {  # the classes of archspec.tf that stand for one of Keras's while a network is trained
    "fused_batch_norm": "batch_normalization",
    "thin_conv2d": "conv2d",
    "thin_conv2d_transpose": "conv2d_transpose",
    "fake_quant_conv2d": "conv2d",
    "fake_quant_depthwise_conv2d": "depthwise_conv2d",
    "fake_quant_conv2d_transpose": "conv2d_transpose",
    "fake_quant_dense": "dense",
}
RANGE = "activation_range"  # its variables are a tensor's range: no weights, and read by `ranges`
QUANTIZER = re.compile(rf"layers/({RANGE}|quant_delay)(_\d+)?/vars/\d+")


def read_hdf5(path: Path) -> Source:
    """A legacy .h5 or a Keras 3 .weights.h5 file. Raises WeightsError where it is damaged or neither."""
    return _read(path, path.name, {})


def read_keras_zip(path: Path) -> Source:
    """A Keras 3 .keras file: order, classes and names from config.json, arrays from model.weights.h5."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if any(name.endswith(".pkl") for name in names):
                raise WeightsError(pickle_message(path.name))
            if not {"config.json", "model.weights.h5"} <= names:
                raise WeightsError(f"{path.name}: a zip file, but no .keras model (config.json, model.weights.h5)")
            config = json.loads(archive.read("config.json"))
            weights = io.BytesIO(archive.read("model.weights.h5"))
        layers = dict(_config_layers(config["config"], ""))
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path.name}: damaged .keras file: {error}") from error
    source = _read(weights, path.name, layers)
    # fake quantization takes ops apart, so that the graph is not the spec's
    quantized = any(QUANTIZER.fullmatch(name) for name in source.skipped)
    reads = {} if quantized else read_graph(config["config"], scopes_of(source.tensors))
    return replace(source, format="keras", reads=reads)


def pickle_message(name: str) -> str:
    """Why a pickle is refused, and the way out."""
    return (
        f"{name}: a Python pickle, and loading one can run any code, so it is not read. Where you trust it,"
        " save it as safetensors: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
    )


def _read(file: Path | io.BytesIO, name: str, layers: Mapping[str, Mapping[str, Any]]) -> Source:
    import h5py

    try:
        with h5py.File(file, "r") as root:
            top = root.get("model_weights", root)
            if _strings(top, "layer_names") is not None:
                return _legacy(root, top)
            return _keras3(root, layers)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise WeightsError(f"{name}: damaged HDF5 file: {error}") from error


def _datasets(group: Any) -> dict[str, Any]:
    """Path -> dataset below a group, `conv2d_2` before `conv2d_10`; links out of it are not followed."""
    import h5py

    found: dict[str, Any] = {}

    def visit(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                raise WeightsError(f"`{path}` keeps its values in another file, which is not read")
            found[path] = item

    group.visititems(visit)
    key = {p: [(int(t), "") if t.isdigit() else (-1, t) for t in re.split(r"(\d+)", p)] for p in found}
    return {path: found[path] for path in sorted(found, key=key.__getitem__)}


def _strings(group: Any, attribute: str) -> list[str] | None:
    """A list of names; Keras cuts one that outgrows an HDF5 header into `name0`, `name1`, ..."""
    if attribute in group.attrs:
        rows = list(group.attrs[attribute])
    elif f"{attribute}0" in group.attrs:
        count = sum(re.fullmatch(rf"{attribute}\d+", key) is not None for key in group.attrs)
        rows = [row for i in range(count) for row in group.attrs[f"{attribute}{i}"]]
    else:
        return None
    return [row.decode() if isinstance(row, bytes) else str(row) for row in rows]


def _legacy(root: Any, top: Any) -> Source:
    """`layer_names` is the model's layer order, `weight_names` the order inside a layer."""
    tensors: dict[str, Array] = {}
    order: dict[str, tuple[str, int]] = {}
    classes: dict[str, str] = {}
    config = _model_config(root)
    layers = dict(_config_layers(config, ""))
    skipped: list[str] = []
    if "optimizer_weights" in root:
        skipped += [f"optimizer_weights/{path}" for path in _datasets(root["optimizer_weights"])]
    stored = _datasets(top)
    for layer in _strings(top, "layer_names") or []:
        weights = _strings(top[layer], "weight_names") or []
        for weight in weights:
            inner, _, leaf = weight.partition(":")[0].rpartition("/")
            if leaf == "seed_generator_state":
                skipped.append(weight)
                continue
            alone = "/" not in inner and all(other.startswith(f"{inner}/") for other in weights)
            scope = layer if alone else _nested(layer, inner.split("/"))
            tensors[f"{scope}/{leaf}"] = stored[f"{layer}/{weight}"][()]
            order.setdefault(scope, ("layers", len(order)))
            if scope in layers:
                classes[scope] = _snake(layers[scope]["class_name"])
    return Source("legacy h5", tensors, classes, order, tuple(skipped), read_graph(config, scopes_of(tensors)))


def _model_config(root: Any) -> Any:
    """What the model is made of; empty for a file that holds weights alone or a class of the user's."""
    text = root.attrs.get("model_config")
    return (json.loads(text) if text is not None else {}).get("config") or {}


def _nested(layer: str, path: list[str]) -> str:
    """A weight's scope from its layer on.

    Keras 3 puts a Sequential's name before it; Keras 2 leaves out the name of a model inside the model.
    """
    return "/".join(path[path.index(layer) :] if layer in path else [layer, *path])


def _keras3(root: Any, layers: Mapping[str, Mapping[str, Any]]) -> Source:
    """`layers/<class>_<n>/vars/<i>`, counted by class in model order; `vars` has the layer's name."""
    tensors: dict[str, Array] = {}
    order: dict[str, tuple[str, int]] = {}
    classes: dict[str, str] = {}
    places = {scope: i for i, scope in enumerate(layers)}
    groups, skipped = _variable_groups(root)
    for group, datasets in groups.items():
        scope = _scope(root, group)
        if scope in classes:
            scope = group.removesuffix("/vars")
        keras_class, stream, index = _counted(group)
        config = layers.get(scope, {})
        keras_class = _snake(config["class_name"]) if config else keras_class
        classes[scope] = TRAINED_AS.get(keras_class, keras_class)
        for leaf, dataset in zip(_leaves(classes[scope], config, datasets), datasets, strict=True):
            tensors[f"{scope}/{leaf}"] = dataset[()]
        if scope in places:
            order[scope] = ("layers", places[scope])
        elif stream and not layers:
            order[scope] = (stream, index)
    return Source("weights.h5", tensors, classes, order, skipped)


def _variable_groups(root: Any) -> tuple[dict[str, list[Any]], tuple[str, ...]]:
    """The `vars` groups with their datasets in order, and what is state of training and no weight."""
    groups: dict[str, list[Any]] = {}
    skipped = []
    for path, dataset in _datasets(root).items():
        group, _, leaf = path.rpartition("/")
        training = path.startswith("optimizer/") or "seed_generator" in path.split("/")
        if training or QUANTIZER.fullmatch(path):
            skipped.append(path)
        elif group.endswith("/vars") and leaf.isdigit():
            groups.setdefault(group, []).append(dataset)
        else:
            raise WeightsError(f"`{path}` is not where a Keras file keeps weights")
    return groups, tuple(skipped)


def _scope(root: Any, group: str) -> str:
    """Names of the enclosing layers, outermost first; the path where the file has no names."""
    parts = group.split("/")
    names = []
    for end in range(1, len(parts)):
        above = root.get("/".join([*parts[:end], "vars"]))
        if above is not None and "name" in above.attrs:
            names.append(str(above.attrs["name"]))
    own = "name" in root[group].attrs
    return "/".join(names) if own and names else group.removesuffix("/vars").removeprefix("layers/")


def _counted(group: str) -> tuple[str, str, int]:
    """Class, stream and place of `layers/conv2d_7/vars`; empty where a user's class names the groups."""
    path = group.removesuffix("/vars")
    match = re.fullmatch(r"(.*?)(?:_(\d+))?", path)
    if match is None or set(path.split("/")[::2]) != {"layers"}:
        return "", "", 0
    return match[1].rpartition("/")[2], match[1], int(match[2] or 0)


def _leaves(keras_class: str, config: Mapping[str, Any], datasets: list[Any]) -> list[str]:
    """The variables' names, which a Keras 3 file leaves out: from class and options, or from the shapes.

    A norm of three vectors may lack gamma or beta; without the layer's options they keep their numbers.
    """
    shapes = [tuple(dataset.shape) for dataset in datasets]
    norm = VARIABLES["batch_normalization"]
    if keras_class == "batch_normalization" and config:
        options = config["config"]
        on = {"gamma": options.get("scale", True), "beta": options.get("center", True)}
        names = [name for name in norm if on.get(name, True)]
    elif keras_class in VARIABLES:
        names = list(VARIABLES[keras_class][: len(shapes)])
    elif len(shapes) == 4 and len(set(shapes)) == 1 and len(shapes[0]) == 1:
        names = list(norm)
    elif len(shapes[0]) in (2, 4) and [len(shape) for shape in shapes[1:]] in ([], [1]):
        names = ["kernel", "bias"][: len(shapes)]
    else:
        names = []
    short = keras_class == "batch_normalization" and not config and len(shapes) != 4
    return names if len(names) == len(shapes) and not short else [str(i) for i in range(len(shapes))]


def _config_layers(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Scope -> layer of a config, in order, inner models opened. Early Keras 2 wrote lists."""
    for layer in config if isinstance(config, list) else config.get("layers", ()):
        inner = layer["config"]
        scope = prefix + str(layer.get("name") or inner.get("name"))
        if isinstance(inner, dict) and isinstance(inner.get("layers"), list):
            yield from _config_layers(inner, f"{scope}/")
        else:
            yield scope, layer


def _snake(name: str) -> str:
    """Keras' own spelling of classes in files: `DepthwiseConv2D` -> `depthwise_conv2d`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
