"""VGG against keras.applications, with the same weights."""

from functools import cache
from typing import Any

import keras
import pytest
from zoo import copied, outputs_differ_by, randomize, spec_network

from archspec.analysis import Network
from archspec.tf.lower import assign, lower

CLOSE = 1e-5  # of the largest logit
CLASSES = 10


def network(variant: str | None, size: int, *settings: str) -> Network:
    return spec_network("vgg", variant, f"input.size={size}", f"let.classes={CLASSES}", *settings)


@cache
def pair(name: str, variant: str | None, size: int) -> tuple[Any, Any]:
    """The spec's network with the weights of keras.applications', and that one."""
    build = getattr(keras.applications, name)
    reference = build(input_shape=(size, size, 3), classes=CLASSES, weights=None, classifier_activation=None)
    randomize(reference)
    return copied(network(variant, size), reference), reference


@pytest.mark.parametrize(
    ("name", "variant", "size"),
    [
        ("VGG16", None, 64),  # a map of 2×2 before the head, whose order matters
        ("VGG19", "E", 32),
    ],
)
def test_vgg(name: str, variant: str | None, size: int) -> None:
    assert outputs_differ_by(*pair(name, variant, size)) <= CLOSE


@pytest.mark.parametrize("wrong", ["defaults.Conv={norm: false, activation: relu6}", "defaults.MaxPool={kernel: 3}"])
def test_a_wrong_vgg_is_found(wrong: str) -> None:
    ours, reference = pair("VGG16", None, 64)
    other = lower(network(None, 64, wrong).graph)
    assign(other, {layer.name: layer.get_weights() for layer in ours.layers if layer.weights})
    assert outputs_differ_by(other, reference) > 10 * CLOSE
