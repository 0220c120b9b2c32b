"""U-Net on MobileNet v2 against TensorFlow's segmentation tutorial, written out by hand in Keras."""

from typing import Any

import keras
import pytest
from zoo import copied, outputs_differ_by, randomize, spec_network

TAPS = ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu")


def tutorial() -> Any:
    """pix2pix.upsample on keras.applications' MobileNetV2, with batch norm after the last projection."""
    base = keras.applications.MobileNetV2(input_shape=(128, 128, 3), include_top=False, weights=None)
    skips = [base.get_layer(name).output for name in TAPS]
    x = base.get_layer("block_16_project_BN").output
    for depth, skip in zip((512, 256, 128, 64), reversed(skips), strict=True):
        x = keras.layers.Conv2DTranspose(depth, 3, 2, "same", use_bias=False, name=f"up_{depth}")(x)
        x = keras.layers.BatchNormalization(name=f"up_{depth}_bn")(x)
        x = keras.layers.Concatenate()([keras.layers.ReLU()(x), skip])
    return keras.Model(base.input, keras.layers.Conv2DTranspose(3, 3, 2, "same", name="map")(x))


def test_the_tutorial_has_the_counts_it_prints() -> None:
    # model.summary() of the tutorial prints 6,504,227: it taps block 16 before its batch norm, 4 x 320 values
    assert tutorial().count_params() == 6_504_227 + 4 * 320
    assert spec_network("mobilenet_v2_unet").cost.params == tutorial().count_params()


def test_unet_answers_as_the_tutorial() -> None:
    reference = tutorial()
    randomize(reference)
    ours = spec_network("mobilenet_v2_unet")
    assert outputs_differ_by(copied(ours, reference), reference) <= 1e-5


def test_another_epsilon_is_noticed() -> None:
    reference = tutorial()
    randomize(reference)
    ours = spec_network("mobilenet_v2_unet", None, "defaults.all.epsilon=0.1")
    with pytest.raises(AssertionError):
        assert outputs_differ_by(copied(ours, reference), reference) <= 1e-5
