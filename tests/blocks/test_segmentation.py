"""DeepLab, U-Net: counts from the papers' tables by hand, shapes by definition."""

import pytest
from networks import spec

from archspec.analysis import Network

# MobileNetV2's trunk to the 320 channels, from Slim's README: with the 1x1 to 1280 and the classifier it has 3,504,872
# trainable values with batch norm and 3,470,760 without.
TRUNK_WITH_NORM = 3_504_872 - 1_281_000 - (320 * 1280 + 2 * 1280)
TRUNK = 3_470_760 - 1_281_000 - 320 * 1280


def unit(taps: int, channels: int, depth: int) -> int:
    """Trainable values of a convolution with batch norm."""
    return taps * channels * depth + 2 * depth


def without_norm(network: Network) -> int:
    """Trainable values of everything but batch norm."""
    return sum(
        w.size
        for _, node in network.graph.row_of()
        if node.op.kind != "norm"
        for w in node.op.weights(*node.input_shapes)
    )


def test_deeplab_v3_with_the_small_head() -> None:
    head = 2 * unit(1, 320, 256) + unit(1, 512, 256) + 256 * 21 + 21
    assert spec("mobilenet_v2_deeplab_v3").cost.trainable == TRUNK_WITH_NORM + head == 2_113_557


def test_deeplab_v3_with_dense_atrous_pooling() -> None:
    head = 2 * unit(1, 320, 256) + 3 * unit(9, 320, 256) + unit(1, 5 * 256, 256) + 256 * 21 + 21
    assert spec("mobilenet_v2_deeplab_v3", "dense_aspp").cost.trainable == TRUNK_WITH_NORM + head == 4_523_541


def test_deeplab_v3plus_has_what_its_reading_in_the_reference_counts_has() -> None:
    head = 2 * 320 * 256 + 3 * (9 * 320 + 320 * 256) + 5 * 256 * 256
    decoder = 24 * 48 + (9 * 304 + 304 * 256) + (9 * 256 + 256 * 256) + 256 * 21 + 21
    network = spec("mobilenet_v2_deeplab_v3plus")
    assert without_norm(network) == TRUNK + head + decoder == 2_681_029
    assert network.cost.macs == 5_804_159_152


@pytest.mark.parametrize(("variant", "stride", "side"), [(None, 16, 33), ("os8", 8, 65)])
def test_output_stride_holds_the_map_and_dilates_the_rows_behind(variant: str | None, stride: int, side: int) -> None:
    rows = {row.name: row for row in spec("mobilenet_v2_deeplab_v3plus", variant).cost.rows}
    assert rows["c5"].output == (side, side, 320)
    assert rows["c5"].stride == stride
    assert rows["map"].output == (513, 513, 21)


def test_aspp_rates_double_at_output_stride_8() -> None:
    def rates(variant: str | None) -> list[int]:
        nodes = spec("mobilenet_v2_deeplab_v3plus", variant).graph.nodes
        return [getattr(n.op, "rate", 1) for n in nodes if n.role.startswith("aspp") and n.role.endswith("_depthwise")]

    assert rates(None) == [6, 12, 18]
    assert rates("os8") == [12, 24, 36]


def test_unet_climbs_back_to_the_size_of_its_input() -> None:
    rows = {row.name: row for row in spec("mobilenet_v2_unet").cost.rows}
    assert [rows[f"skip{n}"].output for n in (1, 2, 3, 4)] == [(64, 64, 96), (32, 32, 144), (16, 16, 192), (8, 8, 576)]
    assert [rows[f"up{n}"].output for n in (4, 3, 2, 1)] == [
        (8, 8, 512 + 576), (16, 16, 256 + 192), (32, 32, 128 + 144), (64, 64, 64 + 96),
    ]  # fmt: skip
    assert rows["map"].output == (128, 128, 3)
