"""The Inception networks against keras.applications and against the code of the tour of light networks.

Their layers go by Keras's automatic names; the import finds the weights by the graph in the file.
"""

from typing import Any

import keras
import pytest
from networks import table
from zoo import copied, outputs_differ_by, randomize, spec_network

CLOSE = 1e-5
CLOSE_DEEP = 1e-4  # over 200 layers
SIZE = 139  # the smallest whose last grid is 3×3


def built(application: Any) -> Any:
    """A reference at a size that tests can pay, with random weights."""
    reference = application(input_shape=(SIZE, SIZE, 3), weights=None, classifier_activation=None)
    randomize(reference)
    return reference


def test_inception_v3() -> None:
    reference = built(keras.applications.InceptionV3)
    ours = spec_network("inception_v3", None, f"input.size={SIZE}")
    model = copied(ours, reference)
    assert model.count_params() == reference.count_params()
    assert outputs_differ_by(model, reference) <= CLOSE_DEEP
    first, other = (model.get_layer(f"inception_a_1_{role}") for role in ("conv1x1", "reduce3x3dbl"))
    kernels = first.get_weights(), other.get_weights()
    first.set_weights(kernels[1])
    other.set_weights(kernels[0])
    assert outputs_differ_by(model, reference) > 10 * CLOSE_DEEP


@pytest.mark.slow
def test_inception_resnet_v2() -> None:
    reference = built(keras.applications.InceptionResNetV2)
    ours = spec_network("inception_resnet_v2", None, f"input.size={SIZE}")
    model = copied(ours, reference)
    assert model.count_params() == reference.count_params()
    assert outputs_differ_by(model, reference) <= CLOSE_DEEP
    model.get_layer("c4_1_scale").scale = 0.17
    assert outputs_differ_by(model, reference) > 10 * CLOSE_DEEP


def unit(x: Any, depth: int, kernel: int) -> Any:
    """Convolution, batch norm and leaky ReLU as the tour's code calls them one after another."""
    x = keras.layers.Conv2D(depth, kernel, padding="same")(x)
    return leaky(keras.layers.BatchNormalization()(x))


def leaky(x: Any) -> Any:
    return keras.layers.LeakyReLU(negative_slope=0.2)(x)  # tf.nn.leaky_relu's default


def inception(x: Any) -> Any:
    """The tour's `Inception`, line by line."""
    x1 = unit(x, 64, 1)
    x2 = unit(unit(x, 96, 1), 128, 3)
    x3 = unit(unit(unit(x, 16, 1), 48, 3), 32, 5)
    x4 = keras.layers.MaxPooling2D(2, 1, padding="same")(x)
    x4 = unit(leaky(keras.layers.BatchNormalization()(x4)), 32, 1)
    return keras.layers.Concatenate()([x1, x2, x3, x4])


def inception_resnet_a(x: Any) -> Any:
    """The tour's `InceptionResentA_block` (so spelled), line by line, on an input of another depth."""
    x1 = unit(x, 32, 1)
    x2 = unit(unit(x, 32, 1), 32, 3)
    x3 = unit(unit(unit(x, 32, 1), 48, 3), 64, 3)
    out = keras.layers.Conv2D(384, 1)(keras.layers.Concatenate()([x1, x2, x3]))
    return keras.layers.Add()([keras.layers.Conv2D(384, 1)(x), out])


CINNAMON = "activation: leaky_relu, bias: true"
TOUR = {
    "inception": (
        inception,
        "Inception: {conv1x1: 64, reduce3x3: 96, conv3x3: 128, reduce5x5: 16, middle5x5: 48, conv5x5: 32,"
        f" pool_proj: 32, pool_kernel: 2, pool_norm: true, {CINNAMON}}}",
    ),
    "inception_resnet_a": (
        inception_resnet_a,
        "InceptionResNetA: {conv1x1: 32, reduce3x3: 32, conv3x3: 32, reduce3x3dbl: 32, middle3x3dbl: 48,"
        f" conv3x3dbl: 64, depth: 384, last_activation: none, {CINNAMON}}}",
    ),
}


@pytest.mark.parametrize("name", TOUR)
def test_the_tour_s_modules(name: str) -> None:
    build, row = TOUR[name]
    image = keras.Input((9, 8, 20))
    reference = keras.Model(image, build(image))
    randomize(reference)
    assert outputs_differ_by(copied(table(row, "[9, 8, 20]"), reference), reference) <= CLOSE
    wrong = copied(table(row.replace("leaky_relu", "relu"), "[9, 8, 20]"), reference)
    assert outputs_differ_by(wrong, reference) > 10 * CLOSE
