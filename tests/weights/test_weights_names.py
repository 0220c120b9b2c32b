"""What names say, in the styles of TF1 layers, TF-Slim, keras.applications and torchvision."""

import pytest

from archspec.weights.names import NO_NUMBER, partners, prefixes, skeleton, under


@pytest.mark.parametrize(
    ("scope", "masked", "numbers"),
    [
        ("conv2d", "conv2d_#", (NO_NUMBER,)),
        ("conv2d_7", "conv2d_#", (7,)),
        ("hed/block2_0/conv2d", "hed_#/block#_#/conv2d_#", (NO_NUMBER, 2, 0, NO_NUMBER)),
        ("block2b_dwconv", "block#@_dwconv_#", (2, 1, NO_NUMBER)),
        ("block_1_expand", "block_#_expand_#", (1, NO_NUMBER)),
        ("features.3.conv.0", "features_#.#.conv_#.#", (NO_NUMBER, 3, NO_NUMBER, 0)),
    ],
)
def test_a_skeleton_is_the_name_without_its_numbers(scope: str, masked: str, numbers: tuple[int, ...]) -> None:
    assert skeleton(scope) == (masked, numbers)


def test_prefixes_end_where_words_end() -> None:
    assert prefixes("hed/dsn_1.x") == ("hed", "hed/dsn", "hed/dsn_1", "hed/dsn_1.x")
    assert under("block_1_expand", "block_1")
    assert not under("block_10_expand", "block_1")


@pytest.mark.parametrize(
    "pairs",
    [
        {
            "MobilenetV1/Conv2d_0/BatchNorm": "MobilenetV1/Conv2d_0",
            "MobilenetV1/Logits/BatchNorm": "MobilenetV1/Logits",
        },
        {"bn_Conv1": "Conv1", "Conv_1_bn": "Conv_1", "block_1_expand_BN": "block_1_expand"},
        {"conv_dw_1_bn": "conv_dw_1", "conv_pw_1_bn": "conv_pw_1"},
        {"conv2_block1_1_bn": "conv2_block1_1_conv", "conv2_block1_2_bn": "conv2_block1_2_conv"},
        {
            "net/b2_0/widen/batch_normalization": "net/b2_0/widen/conv2d",
            "net/b2_0/deep/batch_normalization": "net/b2_0/deep/SeparableConv2d",
        },
        {
            "layer1.0.bn1": "layer1.0.conv1",
            "layer1.0.bn2": "layer1.0.conv2",
            "layer1.0.downsample.1": "layer1.0.downsample.0",
        },
        {
            "features.0.1": "features.0.0",
            "features.1.conv.0.1": "features.1.conv.0.0",
            "features.1.conv.2": "features.1.conv.1",
        },
    ],
)
def test_a_norm_is_paired_with_the_convolution_it_is_named_after(pairs: dict[str, str]) -> None:
    assert partners(pairs.values(), pairs) == pairs


@pytest.mark.parametrize(
    ("convs", "norms"),
    [
        (["conv2d", "conv2d_1"], ["batch_normalization", "batch_normalization_1"]),
        (["net/conv2d", "net/conv2d_3"], ["net/batch_normalization_3"]),
        (["enc/conv2d", "enc/conv2d_1", "dec/conv2d"], ["enc/batch_normalization", "enc/batch_normalization_1"]),
        (["conv1", "conv2"], ["bn1", "bn2"]),
    ],
)
def test_automatic_names_pair_nothing(convs: list[str], norms: list[str]) -> None:
    assert partners(convs, norms) == {}
