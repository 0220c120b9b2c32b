"""`archspec import` and `archspec build --weights`: every format in, refusals with reasons, nothing half done."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from building import CLASSIFIER, answers, files
from command import call
from numpy.typing import NDArray
from safetensors.numpy import save_file
from zoo import randomize

from archspec import jobs
from archspec.analysis import Network, document, network, open_spec
from archspec.diagnostics import Source
from archspec.tf import worker
from archspec.tf.lower import lower

Arrays = dict[str, NDArray[np.float32]]

SPEC = CLASSIFIER + "targets: {x86_64: {quantize: none}}\n"
NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
SLIM = {"kernel": "weights", "bias": "biases"}

# Two branches of equal shapes, which nothing but names can tell apart.
BRANCHES = """\
archspec: 1
model: branches
input: {size: [32, 32, 3], range: [0, 1]}
defaults: {all: {norm: false}}
layers:
- Conv:   {depth: 4, name: c1}
- Conv:   {from: c1, depth: 4, name: left}
- Conv:   {from: c1, depth: 4, name: right}
- Concat: {from: [left, right]}
- Logits: {depth: 1, name: edges}
"""


def torch_layout(role: str, layer: Any, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """A kernel as PyTorch stores it: outputs first."""
    if role != "kernel":
        return value
    axes = {2: (1, 0), 4: (2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (3, 2, 0, 1)}
    return np.ascontiguousarray(value.transpose(axes[value.ndim]))


def foreign(model: Any, names: dict[str, str], layout: Callable[..., Any], prefix: Callable[[str, int], str]) -> Arrays:
    """The weights of a model under names as another framework would give them, one scope a layer, counted."""
    found: Arrays = {}
    layers = [layer for layer in model.layers if layer.weights]
    for number, layer in enumerate(layers):
        for variable, value in zip(layer.weights, layer.get_weights(), strict=True):
            role = "kernel" if "kernel" in variable.name else variable.name
            leaf = names.get(role, role)
            found[prefix(layer.name, number) + leaf] = layout(role, layer, value)
    return found


def torch_tensors(model: Any) -> Arrays:
    names = {"kernel": "weight", "bias": "bias", **NORM}
    return foreign(model, names, torch_layout, lambda name, number: f"features.{number}.")


def save_checkpoint(prefix: Path, tensors: Arrays) -> None:
    """A checkpoint of names and values, as TF1's Saver writes it."""
    values = [*tensors.values(), np.int64(7)]
    names = [*tensors, "global_step"]
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=[""] * len(names), tensors=values)


@pytest.fixture(scope="module")
def one() -> Network:
    return network(document(Source("tiny.yaml", SPEC)))


@pytest.fixture(scope="module")
def model(one: Network) -> Any:
    made = lower(one.graph)
    randomize(made)
    return made


@pytest.fixture(scope="module")
def sources(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same weights in every format."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "tiny.yaml").write_text(SPEC)
    model.save(folder / "a.keras")
    model.save_weights(folder / "a.weights.h5")
    model.save(folder / "legacy.h5")
    save_file(torch_tensors(model), folder / "torch.safetensors")
    layout = lambda role, layer, value: value  # noqa: E731
    save_checkpoint(folder / "model.ckpt-7", foreign(model, SLIM, layout, lambda name, number: f"Net/Layer_{number}/"))
    return folder


FORMATS = [
    "a.keras",
    "a.weights.h5",
    "legacy.h5",
    "torch.safetensors",
    "model.ckpt-7",
    "model.ckpt-7.index",
    "model.ckpt-7.data-00000-of-00001",
]


@pytest.mark.parametrize("source", FORMATS)
def test_every_format_is_read(sources: Path, tmp_path: Path, one: Network, model: Any, source: str) -> None:
    """By the worker's own function, here, where TensorFlow is loaded already."""
    out = tmp_path / "out.weights.h5"
    asked = jobs.Network("tiny.yaml", SPEC, None)
    report = worker._import(jobs.ImportJob(asked, str(sources / source), str(out), ()))["report"]
    assert f"{one.cost.params} values; left in source: none; left in spec: none" in report
    assert_equal(one, out, model)


def assert_equal(one: Network, file: Path, model: Any) -> None:
    """A file of weights holds, layer by layer, the weights of a model of the same network."""
    made = lower(one.graph)
    made.load_weights(file)
    for layer in model.layers:
        for wanted, found in zip(layer.get_weights(), made.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_other_weights_are_found_out(sources: Path, one: Network) -> None:
    other = lower(one.graph)
    with pytest.raises(AssertionError):
        assert_equal(one, sources / "a.weights.h5", other)


@pytest.mark.parametrize("source", ["a.weights.h5", "torch.safetensors", "model.ckpt-7"])
def test_import_as_a_command(sources: Path, tmp_path: Path, one: Network, model: Any, source: str) -> None:
    out = tmp_path / "out.weights.h5"
    ran = call("import", source, "tiny.yaml", "-o", out, folder=sources).clean()
    assert ran.code == 0, ran.err
    assert ran.err == f"wrote {out}\n"
    assert f"{one.cost.params} values; left in source: none; left in spec: none" in ran.out
    assert list(tmp_path.iterdir()) == [out]
    assert_equal(one, out, model)


@pytest.mark.slow
def test_every_format_is_built_from(sources: Path, tmp_path: Path, model: Any) -> None:
    """And gives the same file, byte for byte, that answers as the model does."""
    formats = ("a.keras", "legacy.h5", "torch.safetensors", "model.ckpt-7")
    for source in formats:
        ran = call("build", "tiny.yaml", "--weights", source, "--out", tmp_path / source, folder=sources).clean()
        assert ran.code == 0, ran.err
        assert "warning" not in ran.err, "no target is int8"
    assert len({files(tmp_path / source)["tiny/x86_64/model.tflite"] for source in formats}) == 1
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    found = answers(tmp_path / "a.keras" / "tiny" / "x86_64" / "model.tflite", images)["logits"]
    np.testing.assert_allclose(found, model(images, training=False)["logits"], rtol=1e-4, atol=1e-5)


def drop(tensors: Arrays, name: str) -> Arrays:
    assert name in tensors
    return {key: value for key, value in tensors.items() if key != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: drop(t, "features.1.running_var"), ("missing tensor: row `c1`", "moving_variance 4", "features.1")),
        (lambda t: drop(t, "features.6.weight"), ("missing tensor: row `logits` (layer `logits_dense`)", "kernel 8×7")),
        (
            lambda t: (
                t | {"features.6.weight": np.zeros((9, 8), np.float32), "features.6.bias": np.zeros(9, np.float32)}
            ),
            ("row `logits` (layer `logits_dense`)", "features.6.weight"),
        ),
        (lambda t: t | {"extra.weight": np.zeros((5, 5, 3, 3), np.float32)}, ("left in source", "`extra.weight`")),
        (lambda t: t | {"features.6.bias": np.full(7, np.nan, np.float32)}, ("`features.6.bias`", "not finite")),
        (lambda t: t | {"features.6.bias": np.zeros(7, np.int8)}, ("`features.6.bias`", "int8, not floats")),
    ],
)
def test_tensors_that_do_not_fit(
    model: Any, tmp_path: Path, change: Callable[[Arrays], Arrays], said: tuple[str, ...]
) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    save_file(change(torch_tensors(model)), tmp_path / "torch.safetensors")
    before = files(tmp_path)
    ran = call("import", "torch.safetensors", "tiny.yaml", "-o", "out.weights.h5", folder=tmp_path).clean()
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ")
    for part in said:
        assert part in ran.err
    assert files(tmp_path) == before
    ran = call("build", "tiny.yaml", "--weights", "torch.safetensors", folder=tmp_path).clean()
    assert (ran.code, ran.out) == (1, "")
    assert said[0] in ran.err
    assert files(tmp_path) == before


def test_what_nothing_tells_apart_is_refused_until_a_map_says(tmp_path: Path) -> None:
    (tmp_path / "branches.yaml").write_text(BRANCHES)
    graph = network(open_spec(tmp_path / "branches.yaml")).graph
    model = lower(graph)
    randomize(model)
    names = {"c1_conv": "stem", "left_conv": "one", "right_conv": "two", "edges_conv": "head"}
    save_file(
        foreign(model, {"kernel": "weight"}, torch_layout, lambda name, number: f"{names[name]}."),
        tmp_path / "x.safetensors",
    )
    before = files(tmp_path)
    ran = call("import", "x.safetensors", "branches.yaml", "-o", "out.weights.h5", folder=tmp_path).clean()
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: ambiguous: ")
    assert "row `left` (layer `left_conv`), row `right` (layer `right_conv`)" in ran.err
    assert "`one.weight`" in ran.err
    assert files(tmp_path) == before
    maps = ["--map", "two=left_conv", "--map", "one=right_conv"]  # crosswise, so that order cannot have done it
    ran = call("import", "x.safetensors", "branches.yaml", "-o", "out.weights.h5", *maps, folder=tmp_path).clean()
    assert ran.code == 0, ran.err
    made = lower(graph)
    made.load_weights(tmp_path / "out.weights.h5")
    for layer, other in (("left_conv", "right_conv"), ("right_conv", "left_conv"), ("c1_conv", "c1_conv")):
        for found, wanted in zip(
            made.get_layer(layer).get_weights(), model.get_layer(other).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(found, wanted)


class Evil:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("executed").touch, ())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["absent.h5"], 1, "error: absent.h5: no such file, and no checkpoint absent.h5.index"),
        (["evil.pt"], 1, "error: evil.pt: a Python pickle"),
        (["evil.h5"], 1, "error: evil.h5: a Python pickle"),
        (["tiny.yaml"], 1, "error: tiny.yaml: unknown format"),
        (["cut.keras"], 1, "error: cut.keras: damaged .keras file"),
        (["."], 1, "error: .: a folder"),
        (["torch.safetensors", "--map", "nothing"], 1, "error: --map 'nothing': write SOURCE=LAYER"),
        (["torch.safetensors", "--map", "absent=logits_dense"], 1, "error: --map 'absent=logits_dense' matches no"),
        (["torch.safetensors", "--variant", "none"], 1, "error[unknown-variant]"),
        (["torch.safetensors", "-o", "out.h5"], 2, "error: out.h5: the name must end in .weights.h5"),
        (["torch.safetensors", "-o", "absent/out.weights.h5"], 2, "error: absent: no such folder"),
    ],
)
def test_refusals(model: Any, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    for name in ("evil.pt", "evil.h5"):
        (tmp_path / name).write_bytes(pickle.dumps(Evil()))
    save_file(torch_tensors(model), tmp_path / "torch.safetensors")
    model.save(tmp_path / "whole.keras")
    whole = (tmp_path / "whole.keras").read_bytes()
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    before = files(tmp_path)
    source, *options = arguments
    options = options if "-o" in options else [*options, "-o", "out.weights.h5"]
    ran = call("import", source, "tiny.yaml", *options, folder=tmp_path).clean()
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(said), ran.err
    assert files(tmp_path) == before, "something was written, or run"


def test_the_old_file_stays_where_the_new_one_cannot_be_written(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.weights.h5"
    out.mkdir()
    ran = call("import", "a.keras", "tiny.yaml", "-o", out, folder=sources).clean()
    assert (ran.code, ran.err) == (1, f"error: {out}: is a directory\n")
    assert list(tmp_path.iterdir()) == [out]
