"""Two networks that were also written by hand: the benchmark's script, and the ghost module of docs/examples."""

import json
import runpy
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from command import ROOT, start
from networks import spec
from zoo import randomize

from archspec.analysis import Network, network, open_spec
from archspec.blocks import BLOCKS, load
from archspec.tf.lower import lower, lower_rows

EXAMPLES = ROOT / "docs" / "examples"


def check_same(model: Any, other: Any, size: int, names: list[str]) -> None:
    """With the weights of `model`, `other` must answer the same to an image of `size`, its outputs in this order."""
    randomize(model)
    other.set_weights(model.get_weights())
    image = np.random.default_rng(1).random((1, size, size, 3), np.float32)
    got, wanted = model(image), keras.tree.flatten(other(image))
    assert len(wanted) == len(names)
    for name, output in zip(names, wanted, strict=True):
        np.testing.assert_allclose(got[name], output, rtol=1e-3, atol=1e-4)


def test_the_benchmarks_network_is_the_one_that_is_built() -> None:
    made = runpy.run_path(str(ROOT / "benchmarks" / "straightforward.py"))
    network = spec("mobilenet_v2")
    by_hand = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
    assert by_hand.count_params() == made["PARAMS"] == network.cost.params
    check_same(lower(network.graph), by_hand, 224, [name for name, _ in network.graph.outputs])


@pytest.fixture
def ghost(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """The network of docs/examples/ghost.yaml; the block is forgotten afterwards."""
    monkeypatch.syspath_prepend(EXAMPLES)
    before = dict(BLOCKS)
    load("own_blocks")
    yield network(open_spec(EXAMPLES / "ghost.yaml"))
    BLOCKS.clear()
    BLOCKS.update(before)
    del sys.modules["own_blocks"]


def ghost_by_hand() -> Any:
    """The same in Keras, from the paper's figure 1."""

    def conv(x: Any, depth: int, kernel: int, stride: int = 1) -> Any:
        x = keras.layers.Conv2D(depth, kernel, stride, "same", use_bias=False)(x)
        return keras.layers.ReLU()(keras.layers.BatchNormalization(epsilon=1e-3)(x))

    def module(x: Any, depth: int, kernel: int = 1, ratio: int = 2, stride: int = 1) -> Any:
        x = conv(x, depth // ratio, kernel, stride)
        y = keras.layers.DepthwiseConv2D(3, 1, "same", ratio - 1, use_bias=False)(x)
        y = keras.layers.ReLU()(keras.layers.BatchNormalization(epsilon=1e-3)(y))
        return keras.layers.Concatenate()([x, y])

    image = keras.Input((32, 32, 3))
    x = module(module(conv(image, 16, 3, 2), 32), 32, kernel=3, stride=2)
    x = keras.layers.GlobalAveragePooling2D()(module(x, 64, ratio=4))
    return keras.Model(image, keras.layers.Dense(10)(x))


def test_own_block_is_lowered_as_counted(ghost: Network) -> None:
    model = lower_rows(ghost.graph)
    assert model.count_params() == ghost.cost.params
    assert sum(prod(w.shape) for w in model.trainable_weights) == ghost.cost.trainable
    assert {n: tuple(o.shape[1:]) for n, o in model.output.items()} == {r.name: r.output for r in ghost.cost.rows}
    check_same(lower(ghost.graph), ghost_by_hand(), 32, ["logits"])


def test_check_same_notices_another_network(ghost: Network) -> None:
    image = keras.Input((32, 32, 3))
    model = lower(ghost.graph)
    other = keras.Model(image, ghost_by_hand()(image) * 1.01)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_same(model, other, 32, ["logits"])


@pytest.mark.slow
def test_own_block_is_built_in_a_process_of_its_own(tmp_path: Path) -> None:
    ran = start("build", "ghost.yaml", "--blocks", "own_blocks", "--out", tmp_path, folder=EXAMPLES).clean()
    assert ran.code == 0, ran.err
    manifest = json.loads((tmp_path / "ghost" / "manifest.json").read_text())
    assert (manifest["params"], manifest["failed"]) == (7754, [])
    assert {a["abi"] for a in manifest["artifacts"]} == {"arm64-v8a", "armeabi-v7a", "x86_64"}
    assert all((tmp_path / "ghost" / a["file"]).stat().st_size == a["bytes"] for a in manifest["artifacts"])
