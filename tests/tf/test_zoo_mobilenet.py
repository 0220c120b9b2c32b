"""MobileNetV3 and EfficientNet against keras.applications, with weights of its own models copied by the import."""

from typing import Any

import keras
import pytest
from zoo import copied, outputs_differ_by, randomize, spec_network

CLOSE = 1e-5  # of the largest logit
DEEP = 1e-4  # networks over 200 layers

V3_LARGE, V3_SMALL = keras.applications.MobileNetV3Large, keras.applications.MobileNetV3Small


def mobilenet_v3(make: Any, size: int, **options: Any) -> Any:
    """keras.applications' model without the Rescaling that it puts in front, with random weights."""
    made = make(
        input_shape=(size, size, 3), weights=None, classifier_activation=None, include_preprocessing=False, **options
    )
    randomize(made)
    return made


def efficientnet(make: Any, size: int) -> Any:
    """keras.applications' model behind the Rescaling and Normalization that it puts in front, with random weights."""
    whole = make(input_shape=(size, size, 3), weights=None, classifier_activation=None)
    made = keras.Model(whole.get_layer("stem_conv_pad").input, whole.output)
    randomize(made)
    return made


@pytest.mark.parametrize(
    ("name", "make", "variant", "size", "options"),
    [
        ("mobilenet_v3_large", V3_LARGE, None, 96, {}),
        ("mobilenet_v3_large", V3_LARGE, "w0.75-minimalistic", 65, {"alpha": 0.75, "minimalistic": True}),
        ("mobilenet_v3_small", V3_SMALL, None, 97, {}),
        ("mobilenet_v3_small", V3_SMALL, "w0.75", 64, {"alpha": 0.75}),
        ("mobilenet_v3_small", V3_SMALL, "minimalistic", 64, {"minimalistic": True}),
    ],
)
def test_mobilenet_v3(name: str, make: Any, variant: str | None, size: int, options: dict[str, Any]) -> None:
    reference = mobilenet_v3(make, size, **options)
    network = spec_network(name, variant, f"input.size={size}")
    assert outputs_differ_by(copied(network, reference), reference) <= CLOSE


@pytest.mark.parametrize(
    "wrong",
    [
        "{divisor: 8, se_gate: sigmoid}",
        "{divisor: 8, se_activation: swish}",
        "{divisor: 8, shortcut: none}",
        "{divisor: 8, epsilon: 0.0011}",
    ],
)
def test_a_wrong_mobilenet_v3_is_found(wrong: str) -> None:
    reference = mobilenet_v3(V3_SMALL, 64)
    network = spec_network("mobilenet_v3_small", None, "input.size=64", f"defaults.InvertedResidual={wrong}")
    assert outputs_differ_by(copied(network, reference), reference) > 10 * CLOSE


def test_efficientnet_b0() -> None:
    reference = efficientnet(keras.applications.EfficientNetB0, 64)
    network = spec_network("efficientnet", None, "input.size=64")
    assert outputs_differ_by(copied(network, reference), reference) <= DEEP


def test_a_wrong_efficientnet_is_found() -> None:
    reference = efficientnet(keras.applications.EfficientNetB0, 64)
    network = spec_network("efficientnet", None, "input.size=64", "defaults.InvertedResidual.se_gate=hard_sigmoid")
    assert outputs_differ_by(copied(network, reference), reference) > 10 * DEEP


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "make", "size"),
    [
        ("b1", keras.applications.EfficientNetB1, 64),
        ("b2", keras.applications.EfficientNetB2, 65),
        ("b4", keras.applications.EfficientNetB4, 64),
        ("b7", keras.applications.EfficientNetB7, 64),
    ],
)
def test_efficientnet_scaled(variant: str, make: Any, size: int) -> None:
    reference = efficientnet(make, size)
    network = spec_network("efficientnet", variant, f"input.size={size}")
    assert outputs_differ_by(copied(network, reference), reference) <= DEEP
