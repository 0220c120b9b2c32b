"""DenseNet against keras.applications, and the light stage against its article's code, both through the import."""

from typing import Any

import keras
import pytest
from networks import table
from zoo import copied, outputs_differ_by, randomize, spec_network

CLOSE = 1e-5
CLOSE_DEEP = 1e-4  # over 200 layers
SIZE = 64


def test_densenet_121() -> None:
    reference = keras.applications.DenseNet121(input_shape=(SIZE, SIZE, 3), weights=None, classifier_activation=None)
    randomize(reference)
    model = copied(spec_network("densenet", None, f"input.size={SIZE}"), reference)
    assert model.count_params() == reference.count_params()
    assert outputs_differ_by(model, reference) <= CLOSE_DEEP


def dense_stage(x: Any, depth: int, repeat: int) -> Any:
    """The article's `Dense_Stage`, line by line."""
    for _ in range(repeat):
        kept = x
        x = keras.layers.Conv2D(depth, 1)(x)
        x = keras.layers.BatchNormalization()(keras.layers.LeakyReLU(negative_slope=0.2)(x))
        x = keras.layers.SeparableConv2D(depth, 3, padding="same")(x)
        x = keras.layers.BatchNormalization()(keras.layers.LeakyReLU(negative_slope=0.2)(x))
        x = keras.layers.Concatenate()([kept, x])
    return x


STAGE = "DenseBlock: {layers: 3, growth: 8, separable: true, bottleneck: 1, preactivation: false"
LIGHT = f"{STAGE}, norm_after_activation: true, bias: true, activation: leaky_relu}}"


@pytest.mark.parametrize(("row", "alike"), [(LIGHT, True), (LIGHT.replace("leaky_relu", "relu"), False)])
def test_the_light_stage(row: str, alike: bool) -> None:
    image = keras.Input((9, 8, 5))
    reference = keras.Model(image, dense_stage(image, 8, 3))
    randomize(reference)
    difference = outputs_differ_by(copied(table(row, "[9, 8, 5]"), reference), reference)
    assert difference <= CLOSE if alike else difference > 10 * CLOSE
