"""The released document scanner, a few steps of quantization-aware training, and its int8 file without calibration."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import qat
import tensorflow as tf
from networks import spec
from PIL import Image
from qat import Floats

from archspec.calibration import input_entry
from archspec.graph import Graph
from archspec.passes.fold import fold
from archspec.photo import InputContract, prepare, read_photo
from archspec.quantized import baked
from archspec.tf import bake
from archspec.tf.lower import assign
from archspec.tf.train_graph import lower_for_training
from archspec.trained import trained

pytestmark = pytest.mark.slow

PAIRS = 2
STEPS = 4


def pictures(folder: Path, graph: Graph) -> tuple[Floats, Floats]:
    """Photos in model units with their edges, (n, 256, 256, 3) and (n, 256, 256, 1)."""
    contract = InputContract.from_manifest(input_entry(graph.head.input))
    pairs = list(csv.reader((folder / "pairs.csv").open()))[:PAIRS]
    fed = np.stack([prepare(read_photo(folder / photo), contract) for photo, _ in pairs])
    drawn = [Image.open(folder / edges).convert("L").resize(fed.shape[2:0:-1]) for _, edges in pairs]
    return fed, (np.stack([np.asarray(d) for d in drawn])[..., None] > 20).astype(np.float32)


def train(model: Any, fed: Floats, edges: Floats) -> list[float]:
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(x, training=True).values()
            loss = tf.add_n([tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, z)) for z in logits])
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return [float(step(fed, edges)) for _ in range(STEPS)]


def within_one(apart: Floats) -> float:
    return float((apart < 1.01).mean())


def test_the_int8_file_answers_as_the_float_graph(shared: Callable[[str], Path]) -> None:
    """Deep rows double a flipped step every few layers: there two float evaluations of one graph are as far apart."""
    graph = spec("mobilenet_v2_hed").graph
    fed, edges = pictures(shared("hed/pairs.csv").parent, graph)
    _, released = trained(graph, graph, str(shared("hed/checkpoint") / "hed.ckpt-100"), (), False)
    model = lower_for_training(graph, quantize=True)
    assign(model, released)
    losses = train(model, fed, edges)
    assert losses[-1] < losses[0]
    weights, learned = qat.arrays(model, graph), qat.ranges(model)
    made = qat.exported(graph, weights, learned, fed)
    assert made.missing == ()
    # the same graph once more in floats: batch norms folded, biases as they are
    folded = fold(graph)
    whole = baked(graph, weights)
    kept = bake.carried(graph, whole, folded.graph, folded.weights(whole), learned)
    again, _ = bake.lower_ranged(folded.graph, kept)
    assign(again, folded.weights(whole))
    scales, ours, twin = made.scales, model(fed, training=False), again(fed, training=False)
    for name, apart in made.apart.items():
        itself = within_one(np.abs(np.asarray(ours[name]) - np.asarray(twin[name])) / scales[name])
        print(f"{name}: {within_one(apart):.4f} within a step, mean {apart.mean():.3f}; float with itself {itself:.4f}")
        # measured over two trainings: 0.05 below to 0.05 above
        assert within_one(apart) >= min(0.99, itself - 0.1), name
    assert all(within_one(made.apart[f"side{i}"]) > 0.99 for i in (1, 2, 3))
