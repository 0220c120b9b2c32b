"""Xception against keras.applications, through the import, which splits Keras's separable convolutions in two.

The projections share their shape with pointwise kernels; the graph in the file tells them apart.
"""

from typing import Any

import keras
import pytest
from networks import table
from zoo import copied, outputs_differ_by, randomize, spec_network

from archspec.weights.errors import WeightsError

CLOSE = 1e-5
SIZE = 96


def built() -> Any:
    reference = keras.applications.Xception(input_shape=(SIZE, SIZE, 3), weights=None, classifier_activation=None)
    randomize(reference)
    return reference


def test_xception() -> None:
    reference = built()
    model = copied(spec_network("xception", None, f"input.size={SIZE}"), reference)
    assert model.count_params() == reference.count_params()
    assert outputs_differ_by(model, reference) <= CLOSE
    first, second = (model.get_layer(f"c4_1_sep{i}_pointwise_bn") for i in (1, 2))
    values = first.get_weights(), second.get_weights()
    first.set_weights(values[1])
    second.set_weights(values[0])
    assert outputs_differ_by(model, reference) > 10 * CLOSE


def separable(**options: Any) -> Any:
    """One Keras layer that is two of ours."""
    image = keras.Input((9, 8, 3))
    made = keras.layers.SeparableConv2D(4, 3, padding="same", **options)(image)
    reference = keras.Model(image, made)
    randomize(reference)
    return reference


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_a_separable_convolution(multiplier: int, bias: bool) -> None:
    reference = separable(depth_multiplier=multiplier, use_bias=bias)
    options = f"depth: 4, norm: false, activation: none, multiplier: {multiplier}, bias: {str(bias).lower()}"
    assert outputs_differ_by(copied(table(f"SeparableConv: {{{options}}}", "[9, 8, 3]"), reference), reference) <= CLOSE


def test_what_is_not_separable_is_refused() -> None:
    row = "Conv: {depth: 4, norm: false, activation: none, bias: false}"
    with pytest.raises(WeightsError, match="depthwise_kernel"):
        copied(table(row, "[9, 8, 3]"), separable(use_bias=False))
