"""Fake quantization against the integers of the file that is made of it, against folding by hand, and switched off."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import table
from qat import ROWS, SIZE, Floats, arrays, exported, graph_of, images, randomize, ranges, trained_model

from archspec import quantization
from archspec.artifact import run_tflite
from archspec.graph import Graph
from archspec.passes.fold import fold, fold_batch_norm, fold_weights
from archspec.quantized import baked
from archspec.quantized import fake_quantized as by_numpy
from archspec.tf import bake
from archspec.tf.fake_quant import fake_quantized
from archspec.tf.lower import assign, lower
from archspec.tf.train_graph import lower_for_training
from archspec.trained import trained
from archspec.weights.ranges import ranges_in

COARSE = {"concat": 0.98, "shuffle": 0.97, "pools": 0.93}
"""Where an input of a concatenation has a scale of its own: XNNPACK rounds the factor between two scales to 1/256. Of
`pools` a maximum decides over all that is behind it: 0.953 to 0.984 were measured, by ever other images."""

FEW = {"pools": 64}
"""Images of networks that answer few values to each: 3 to each of 8 made chance decide."""

AXES = {(3, 3, 4, 6): (3,), (3, 2, 4, 2): (2, 3), (4, 4, 5, 3): (2,), (7, 5): (1,)}


@pytest.mark.parametrize("name", ROWS)
def test_the_int8_file_answers_as_the_float_graph(name: str) -> None:
    graph = graph_of(ROWS[name])
    fed = images(graph, FEW.get(name, 8))
    model = trained_model(graph, fed)
    made = exported(graph, arrays(model, graph), ranges(model), fed)
    assert made.missing == ()
    assert made.within_one >= COARSE.get(name, 0.99)


def test_an_answer_of_another_image_is_noticed() -> None:
    graph = graph_of(ROWS["conv"])
    fed = images(graph)
    model = trained_model(graph, fed)
    made = exported(graph, arrays(model, graph), ranges(model), fed)
    assert made.within_one >= 0.99
    wrong = {name: np.abs(apart + 2) for name, apart in made.apart.items()}
    assert replace(made, apart=wrong).within_one == 0


@pytest.mark.parametrize("rows", [ROWS["norm on its own"], ROWS["norm behind relu"]])
def test_a_norm_on_its_own_is_one_op(rows: str) -> None:
    graph = graph_of(rows)
    fed = images(graph)
    model = trained_model(graph, fed)
    made = exported(graph, arrays(model, graph), ranges(model), fed)
    assert made.ops["DEPTHWISE_CONV_2D"] == rows.count("BatchNorm") + rows.count("norm_after")
    assert "MUL" not in made.ops
    assert made.ops.get("ADD", 0) == rows.count("Add")


def test_a_range_that_is_not_where_the_converter_wants_it_is_noticed() -> None:
    """Without the range in front of hard_swish the file has floats."""
    graph = graph_of(ROWS["mobilenet v3"])
    fed = images(graph)
    model = trained_model(graph, fed)
    learned = ranges(model)
    del learned["conv_1_conv_bn"]
    with pytest.raises(AssertionError, match="int8 throughout"):
        exported(graph, arrays(model, graph), learned, fed)
    _, missing = bake.lower_quantized(graph, arrays(model, graph), learned, fold(graph))
    assert missing == ("conv_1_conv",)


@pytest.mark.parametrize(
    ("rows", "size"),
    [*((rows, SIZE) for rows in ROWS.values()), ("Conv: {depth: 6}\nConv: {depth: 3}", "[128, 128, 3]")],
    ids=[*ROWS, "a large map of few channels"],
)
def test_before_the_delay_the_graph_is_the_float_graph(rows: str, size: str) -> None:
    graph = table(rows, size).graph
    fed = images(graph, 2)
    float_model = lower_for_training(graph)
    randomize(float_model)
    model = lower_for_training(graph, quantize=True, quant_delay=1)
    assign(model, arrays(float_model, graph))
    for training in (False, True):
        keras.utils.set_random_seed(0)
        wanted = float_model(fed, training=training)
        keras.utils.set_random_seed(0)
        got = model(fed, training=training)
        for name in wanted:
            np.testing.assert_array_equal(got[name], wanted[name])
    after = model(fed, training=False), float_model(fed, training=False)
    assert any(np.any(after[0][name] != after[1][name]) for name in after[1]), "one batch later it rounds"


def test_a_kernel_is_rounded_the_same_by_numpy_and_tensorflow() -> None:
    random = np.random.default_rng(0)
    for shape, axes in AXES.items():
        kernel = random.normal(size=shape).astype(np.float32)
        kernel[..., 0] = 0
        rounded = tf.function(lambda k, axes=axes: fake_quantized(k, axes))(kernel)
        np.testing.assert_array_equal(rounded, by_numpy(kernel, axes))


def test_the_gradient_of_a_rounded_kernel_passes_straight_through() -> None:
    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 2, 4)), tf.float32)
    weight = tf.random.stateless_normal(kernel.shape, (1, 2))
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        loss = tf.reduce_sum(weight * fake_quantized(kernel, (3,)))
    np.testing.assert_array_equal(tape.gradient(loss, kernel), weight)


def folded_while_training(fed: Floats, kernel: Floats, norm: Any, stride: int) -> Any:
    """Jacob et al. 2017 (arXiv 1712.05877), figure C.8: batch statistics of the float kernel, folded, then rounded."""
    plain = tf.nn.conv2d(fed, fake_quantized(kernel, (3,)), stride, "SAME")
    mean, variance = tf.nn.moments(plain, (0, 1, 2))
    factor = norm.gamma / tf.sqrt(variance + norm.epsilon)
    return tf.nn.conv2d(fed, fake_quantized(kernel * factor, (3,)), stride, "SAME") + norm.beta - mean * factor


def test_batch_norm_behind_a_rounded_kernel_is_batch_norm_folded_while_training() -> None:
    graph = graph_of("Conv: {depth: 8, stride: 2, activation: none}")
    fed = images(graph)
    model = lower_for_training(graph, quantize=True)
    randomize(model)
    inner = keras.Model(model.input, model.get_layer("conv_1_conv_bn").output)
    # the rounded image, as the first layer of the model gives it
    seen = keras.Model(model.input, model.get_layer("input.range").output)(fed)
    kernel = model.get_layer("conv_1_conv").get_weights()[0]
    wanted = folded_while_training(seen, kernel, model.get_layer("conv_1_conv_bn"), 2)
    np.testing.assert_allclose(inner(fed, training=True), wanted, atol=2e-5)
    unrounded = tf.nn.batch_normalization(
        plain := tf.nn.conv2d(seen, kernel, 2, "SAME"), *tf.nn.moments(plain, (0, 1, 2)),
        model.get_layer("conv_1_conv_bn").beta, model.get_layer("conv_1_conv_bn").gamma, 1e-3,
    )  # fmt: skip
    assert np.abs(np.asarray(wanted) - unrounded).max() > 1e-3, "the tolerance is below what rounding does"


def test_a_folded_kernel_is_stored_in_the_steps_of_the_trained_one() -> None:
    """int8 values of the file = round(kernel / step) of the kernel before folding, with gamma's sign."""
    from ai_edge_litert.interpreter import Interpreter

    graph = graph_of("Conv: {depth: 8}")
    fed = images(graph)
    model = trained_model(graph, fed)
    made = exported(graph, arrays(model, graph), ranges(model), fed)
    kernel, gamma = model.get_layer("conv_1_conv").get_weights()[0], model.get_layer("conv_1_conv_bn").get_weights()[0]
    wanted = np.rint(kernel / (np.abs(kernel).max((0, 1, 2)) / 127)) * np.sign(gamma)
    interpreter = Interpreter(model_content=made.data)
    interpreter.allocate_tensors()
    stored = [
        interpreter.tensor(d["index"])() for d in interpreter.get_tensor_details() if tuple(d["shape"]) == (8, 3, 3, 3)
    ]
    assert len(stored) == 1
    np.testing.assert_array_equal(stored[0].transpose(1, 2, 3, 0), wanted)
    assert set(np.sign(gamma)) == {-1, 1}


def test_ranges_are_the_mean_of_the_first_batches_and_hold_zero() -> None:
    graph = graph_of("Conv: {depth: 4, activation: none, norm: false}")
    model = lower_for_training(graph, quantize=True, quant_delay=100)
    randomize(model)
    batches = [images(graph, 2) * factor for factor in (1, 0.5, 0.25)]
    seen = [np.asarray(model(batch, training=True)["conv_1"]) for batch in batches]
    low, high = ranges(model)["conv_1_conv"]
    assert low == pytest.approx(np.mean([min(s.min(), 0) for s in seen]), rel=1e-5)
    assert high == pytest.approx(np.mean([max(s.max(), 0) for s in seen]), rel=1e-5)
    assert low <= 0 <= high


def test_a_file_of_weights_keeps_the_ranges_and_matches_as_a_float_file(tmp_path: Path) -> None:
    graph = graph_of(
        ROWS["mobilenet v3"]
        + "\nTransposeConv: {depth: 4, kernel: 4, norm_scale: false}\nGlobalPool\nDense: {units: 3}"
    )
    fed = images(graph)
    model = trained_model(graph, fed)
    model.save_weights(tmp_path / "q.weights.h5")
    model.save(tmp_path / "q.keras")
    float_model = lower(graph)
    assign(float_model, arrays(model, graph))
    float_model.save_weights(tmp_path / "f.weights.h5")
    for name in ("q.weights.h5", "q.keras"):
        assert ranges_in(tmp_path / name) == ranges(model)
        found, held = trained(graph, graph, str(tmp_path / name), (), False)
        assert not found.unused
        for layer, values in arrays(model, graph).items():
            for value, wanted in zip(held[layer], values, strict=True):
                np.testing.assert_array_equal(value, wanted)
    assert ranges_in(tmp_path / "f.weights.h5") == {}
    again = keras.models.load_model(tmp_path / "q.keras")
    fresh = lower_for_training(graph, quantize=True)
    fresh.load_weights(tmp_path / "q.weights.h5")
    for other in (again, fresh):
        for name, value in model(fed, training=False).items():
            np.testing.assert_array_equal(other(fed, training=False)[name], value)


def test_a_range_follows_its_tensor_through_the_passes_and_is_dropped_where_that_changed() -> None:
    graph = graph_of("Conv: {depth: 4, activation: none, name: a}\nConv: {depth: 4, name: b}")
    model = trained_model(graph, images(graph))
    learned, weights = ranges(model), arrays(model, graph)
    folded, folded_weights = fold_batch_norm(graph), fold_weights(graph, weights)
    kept = bake.carried(graph, weights, folded, folded_weights, learned)
    assert kept == {"a_conv": learned["a_conv_bn"], "b_conv_relu": learned["b_conv_relu"]}
    rescaled = {**folded_weights, "a_conv": [value * 2 for value in folded_weights["a_conv"]]}
    rescaled["b_conv"] = [folded_weights["b_conv"][0] * np.float32(0.5), folded_weights["b_conv"][1]]
    kept = bake.carried(graph, weights, folded, rescaled, learned)
    assert kept == {"b_conv_relu": learned["b_conv_relu"]}, "a's values are twice what the range is of"


def edges(count: int) -> tuple[Floats, Floats]:
    """Pictures with a bright half, and where it begins: a task that takes a small network seconds."""
    random = np.random.default_rng(0)
    fed = random.uniform(0, 0.3, (count, 12, 10, 3)).astype(np.float32)
    wanted = np.zeros((count, 12, 10, 1), np.float32)
    for i, column in enumerate(random.integers(2, 8, count)):
        fed[i, :, column:] += 0.5
        wanted[i, :, column] = 1
    return fed, wanted


def fit(graph: Graph, model: Any, fed: Floats, wanted: Floats, steps: int) -> tuple[list[float], int]:
    """The losses of some steps, and how often the step was traced."""
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build(model.trainable_variables)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(x, training=True)[graph.outputs[0][0]]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, logits))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    losses = [float(step(fed, wanted)) for _ in range(steps)]
    return losses, step.experimental_get_tracing_count()


def test_training_learns_with_rounding_and_the_file_answers_as_well_as_float() -> None:
    graph = graph_of(
        "Conv: {depth: 8, momentum: 0.5}\nInvertedResidual: {depth: 8, expansion: 2, momentum: 0.5}\nLogits: {depth: 1}"
    )
    fed, wanted = edges(16)
    right = {}
    for quantize in (False, True):
        keras.utils.set_random_seed(0)
        model = lower_for_training(graph, quantize=quantize, quant_delay=20)
        losses, traced = fit(graph, model, fed, wanted, 60)
        assert traced == 1, "one function serves both phases"
        assert losses[-1] < 0.3 * losses[0]
        answer = model(fed, training=False)["logits_1"]
        right[quantize] = float(((np.asarray(answer) > 0) == (wanted > 0)).mean())
    made = exported(graph, arrays(model, graph), ranges(model), fed)
    assert made.within_one >= 0.99
    int8 = float(((run_tflite(made.data, fed)["logits_1"] > 0) == (wanted > 0)).mean())
    assert right[False] > 0.97
    assert int8 > right[False] - 0.01
    assert int8 == pytest.approx(right[True], abs=2e-3)


def test_steps_that_need_calibration_are_named() -> None:
    graph = graph_of("Conv: {depth: 4, activation: mish}")
    _, missing = bake.lower_ranged(graph, dict.fromkeys(quantization.plan(graph).learned, (-1.0, 1.0)))
    assert missing == ("conv_1_conv_mish",)
    assert baked(graph, arrays(lower(graph), graph)).keys() == {"conv_1_conv", "conv_1_conv_bn"}
