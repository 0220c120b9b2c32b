"""The document scanner's first network, counted by a hand formula and against a model written by hand in Keras.

The trunk is VGG-16's (13 convolutions), thinner; each of its five stages gives an edge map at input size.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from networks import spec

from archspec.analysis import Network
from archspec.tf.lower import lower

SIZE = 256
STAGES = ((12, 2), (24, 2), (48, 3), (96, 3), (192, 3))  # width and number of convolutions; each half as large
WITH_NORM = {None: True, "nobn": False}


@dataclass(frozen=True)
class Count:
    params: int
    trainable: int
    macs: int


def by_formula(norm: bool) -> Count:
    """Parameters, trainable ones, and multiplies on an image of SIZE × SIZE × 3.

    A convolution has 9·in·out weights, and either four numbers of batch norm a channel, two of them trained, or a
    bias; a transposed convolution by f has a kernel of 2f × 2f and a bias, and multiplies by input pixel.
    """
    params = frozen = macs = 0
    channels = 3
    for stage, (width, repeat) in enumerate(STAGES):
        factor = 2**stage
        pixels = (SIZE // factor) ** 2
        for _ in range(repeat):
            params += 9 * channels * width + (4 if norm else 1) * width
            frozen += 2 * width if norm else 0
            macs += pixels * 9 * channels * width
            channels = width
        params += width + (4 if norm else 1)
        frozen += 2 if norm else 0
        macs += pixels * width
        if factor > 1:
            params += (2 * factor) ** 2 + 1
            macs += pixels * (2 * factor) ** 2
    fuse = len(STAGES)
    return Count(params + fuse + 1, params + fuse + 1 - frozen, macs + SIZE**2 * fuse)


def by_hand(norm: bool) -> Any:
    """The network as one writes it in Keras, its layers named as the spec's rows and their parts."""
    layers = keras.layers

    def convolve(x: Any, width: int, kernel: int, name: str) -> Any:
        x = layers.Conv2D(width, kernel, padding="same", use_bias=not norm, name=name)(x)
        return layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x) if norm else x

    x = image = keras.Input((SIZE, SIZE, 3))
    sides = []
    for stage, (width, repeat) in enumerate(STAGES):
        factor, side = 2**stage, f"side{stage + 1}"
        if stage:
            x = layers.MaxPooling2D(2, padding="same")(x)
        for i in range(repeat):
            x = layers.ReLU()(convolve(x, width, 3, f"c{stage + 1}_{i + 1}_conv"))
        y = convolve(x, 1, 1, f"{side}_conv")
        if stage:
            y = layers.Conv2DTranspose(1, 2 * factor, strides=factor, padding="same", name=f"{side}_upsample")(y)
        sides.append(y)
    fuse = layers.Conv2D(1, 1, name="fuse_conv")(layers.Concatenate()(sides))
    return keras.Model(image, [fuse, *sides])


def check(network: Network, count: Count) -> None:
    cost = network.cost
    assert Count(cost.params, cost.trainable, cost.macs) == count


@pytest.mark.parametrize("variant", WITH_NORM)
def test_counts(variant: str | None) -> None:
    check(spec("vgg_hed", variant), by_formula(WITH_NORM[variant]))
    model = by_hand(WITH_NORM[variant])
    assert model.count_params() == by_formula(WITH_NORM[variant]).params
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == by_formula(WITH_NORM[variant]).trainable


def test_check_finds_the_other_variant() -> None:
    with pytest.raises(AssertionError):
        check(spec("vgg_hed"), by_formula(norm=False))


@pytest.mark.parametrize("variant", WITH_NORM)
def test_values(variant: str | None) -> None:
    """The same weights give the same six maps."""
    network = spec("vgg_hed", variant)
    model, reference = lower(network.graph), by_hand(WITH_NORM[variant])
    draw = np.random.default_rng(2)
    for layer in reference.layers:
        if layer.weights:
            noise = [draw.uniform(0, 0.2, w.shape) if w.ndim == 1 else 0 for w in layer.get_weights()]
            layer.set_weights([w + more for w, more in zip(layer.get_weights(), noise, strict=True)])
            model.get_layer(layer.name).set_weights(layer.get_weights())
    image = draw.random((1, SIZE, SIZE, 3), np.float32)
    got, wanted = model(image, training=False), reference(image, training=False)
    for name, values in zip(("fuse", "side1", "side2", "side3", "side4", "side5"), wanted, strict=True):
        np.testing.assert_allclose(got[name], values, rtol=1e-5, atol=1e-5 * np.abs(values).max())
