"""Every op in Keras: shape, weights in their order, and values against numpy, pixel by pixel."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
from brute_force import Array
from numpy_graph import free, weighted
from op_cases import DENSE, FREE, NORMS, Case, Free, convolutions, depthwise, pools, transposed, uncovered

from archspec import ops
from archspec.ops import Op, Shape, ShapeError

BATCH = 2
GROUPED = [case for i, case in enumerate(convolutions(groups=(2, 3))) if i % 6 == 0]  # XLA compiles each: slow
CASES = [*convolutions(groups=(1,)), *GROUPED, *depthwise((1, 2)), *transposed(), *pools(), *DENSE, *NORMS]
TOLERANCE = 2e-6  # of the largest value: float32 against float64 over at most 150 taps


def fits(case: Case) -> bool:
    try:
        case.op.shape(*case.inputs)
    except ShapeError:
        return False
    return True


CASES = [case for case in CASES if fits(case)]


def model_of(op: Op, inputs: Sequence[Shape]) -> tuple[Any, list[Any]]:
    """A model of one op that is called `op`, and its outputs."""
    images = [keras.Input(shape) for shape in inputs]
    made = op.lower(keras, "op", images)
    outputs = list(made) if isinstance(made, list) else [made]
    return keras.Model(images, outputs), outputs


def random_inputs(inputs: Sequence[Shape], seed: int = 0) -> list[Array]:
    """Of both signs, and wide enough to reach the corners of every activation."""
    draw = np.random.default_rng(seed)
    return [draw.normal(scale=3, size=(BATCH, *shape)).astype(np.float32).astype(np.float64) for shape in inputs]


def random_weights(op: Op, inputs: Sequence[Shape]) -> list[Array]:
    draw = np.random.default_rng(1)
    positive = ("moving_variance",)
    made = []
    for weight in op.weights(*inputs):
        values = draw.normal(size=weight.shape)
        made.append((np.abs(values) + 0.1 if weight.role in positive else values).astype(np.float32).astype(np.float64))
    return made


def run(model: Any, images: list[Array], training: bool = False) -> list[Any]:
    """The outputs of a batch, as a list also where there is one."""
    outputs: list[Any] = keras.tree.flatten(model(images, training=training))
    return outputs


def check_weights(op: Op, inputs: Sequence[Shape], model: Any) -> None:
    """Keras holds the op's variables: as many, in this order, under these names, as trainable."""
    weights = op.weights(*inputs)
    assert model.count_params() == sum(w.size for w in weights)
    held = [v for layer in model.layers for v in layer.weights]
    assert [(v.name, tuple(v.shape), v.trainable) for v in held] == [(w.role, w.shape, w.trainable) for w in weights]


def check_values(got: Any, wanted: Array) -> None:
    """Equal to TOLERANCE of the largest value."""
    values = np.asarray(got, np.float64)
    assert values.shape == wanted.shape
    assert np.abs(values - wanted).max() <= TOLERANCE * max(np.abs(wanted).max(), 1)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_windows_and_weighted_ops(case: Case) -> None:
    model, (output,) = model_of(case.op, case.inputs)
    assert tuple(output.shape) == (None, *case.op.shape(*case.inputs))
    check_weights(case.op, case.inputs, model)
    weights = random_weights(case.op, case.inputs)
    if weights:
        model.get_layer("op").set_weights(weights)
    (images,) = random_inputs(case.inputs)
    (got,) = run(model, [images])
    check_values(got, np.stack([weighted(case.op, x, weights) for x in images]))


@pytest.mark.parametrize("case", FREE, ids=str)
def test_free_ops(case: Free) -> None:
    model, outputs = model_of(case.op, case.inputs)
    assert {tuple(output.shape) for output in outputs} == {(None, *case.shape)}
    check_weights(case.op, case.inputs, model)
    images = random_inputs(case.inputs)
    got = run(model, images)
    wanted = [free(case.op, *(batch[i] for batch in images)) for i in range(BATCH)]
    for number, values in enumerate(got):
        check_values(values, np.stack([one[number] for one in wanted]))


def test_every_op_is_tried() -> None:
    assert uncovered([*(case.op for case in CASES), *(case.op for case in FREE)]) == set()


def test_grouped_convolutions_are_tried() -> None:
    assert {case.op.groups for case in CASES if isinstance(case.op, ops.Conv)} == {1, 2, 3}


def test_checks_find_what_is_wrong() -> None:
    op, shape = ops.Conv(4, (3, 3), 2, bias=True), (8, 8, 3)
    model, _ = model_of(op, [shape])
    check_weights(op, [shape], model)
    for other in (ops.Conv(4, (3, 3), 2), ops.Conv(4, (3, 3), 2, bias=True, fill=ops.Fill(trainable=False))):
        with pytest.raises(AssertionError):
            check_weights(other, [shape], model)
    weights = random_weights(op, [shape])
    model.get_layer("op").set_weights(weights)
    (images,) = random_inputs([shape])
    (got,) = run(model, [images])
    check_values(got, np.stack([weighted(op, x, weights) for x in images]))
    explicit = ops.Conv(4, (3, 3), 2, bias=True, padding="explicit")  # other numbers, the same shape
    with pytest.raises(AssertionError):
        check_values(got, np.stack([weighted(explicit, x, weights) for x in images]))


def test_frozen_weights() -> None:
    frozen = ops.Fill(trainable=False)
    for op, shape in (
        (ops.Conv(4, bias=True, fill=frozen), (5, 5, 3)),
        (ops.DepthwiseConv(bias=True, fill=frozen), (5, 5, 3)),
        (ops.TransposeConv(4, (4, 4), 2, fill=frozen), (5, 5, 3)),
        (ops.Dense(4, fill=frozen), (3,)),
        (ops.BatchNorm(trainable=False), (5, 5, 3)),
    ):
        model, _ = model_of(op, [shape])
        check_weights(op, [shape], model)
        assert model.trainable_weights == []


def test_dropout_drops_alike_in_every_network() -> None:
    op = ops.Dropout(0.5)
    (images,) = random_inputs([(64,)])
    one, other = (np.asarray(run(model_of(op, [(64,)])[0], [images], training=True)[0]) for _ in range(2))
    assert np.array_equal(one, other)
    assert 0.2 < np.mean(one == 0) < 0.8


def test_explicit_zeros_win_a_maximum_whatever_the_size() -> None:
    """`same` may not stand in for explicit zeros here, even where it pads as much."""
    for size in (7, 8):
        op = ops.Pool("max", (3, 3), 2, ((1, 1), (1, 1)))
        model, _ = model_of(op, [(size, size, 1)])
        (got,) = run(model, [-np.ones((1, size, size, 1))])
        assert float(got[0, 0, 0, 0]) == 0


def test_layers_of_an_op_cannot_take_a_node_s_name() -> None:
    """A node's name has no dot, so that a row `c1_pad` may stand beside a padded row `c1`."""
    for op, shape, names in (
        (ops.Conv(4, (3, 3), 2, padding="explicit"), (8, 8, 3), {"op.pad", "op"}),
        (ops.Shuffle(3), (8, 8, 6), {"op.deal", "op.swap", "op"}),
        (ops.Split(2), (8, 8, 6), {"op.1", "op.2"}),
        (ops.Pad(((1, 0), (0, 0)), (1, 1)), (8, 8, 6), {"op.rows", "op"}),
    ):
        model, _ = model_of(op, [shape])
        assert {layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)} == names
