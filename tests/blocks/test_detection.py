"""SSDLite: counts by hand from the paper's layout, anchors by map."""

import pytest
from networks import spec

from archspec.source import plain

CHANNELS = (576, 1280, 512, 256, 256, 128)
ANCHORS = (3, 6, 6, 6, 6, 6)
TRUNK_WITH_NORM = 3_504_872 - 1_281_000  # MobileNetV2 (Slim's README) without its classifier


def extra(channels: int, squeeze: int, depth: int) -> int:
    """Trainable values of one smaller map: 1x1, depthwise 3x3, 1x1, each with batch norm."""
    return channels * squeeze + 2 * squeeze + 9 * squeeze + 2 * squeeze + squeeze * depth + 2 * depth


def heads(classes: int) -> int:
    """Trainable values of the heads: for boxes and classes a depthwise 3x3 with batch norm and a 1x1 with bias."""
    depthwise = sum(2 * (9 + 2) * channels for channels in CHANNELS)
    return depthwise + sum(a * (4 + classes) * (c + 1) for c, a in zip(CHANNELS, ANCHORS, strict=True))


@pytest.mark.parametrize(("variant", "classes", "published"), [(None, 81, 4_337_013), ("c91", 91, 4_500_543)])
def test_counts_by_hand(variant: str | None, classes: int, published: int) -> None:
    extras = extra(1280, 256, 512) + extra(512, 128, 256) + extra(256, 128, 256) + extra(256, 64, 128)
    network = spec("ssdlite_mobilenet_v2", variant)
    assert network.cost.trainable == TRUNK_WITH_NORM + extras + heads(classes) == published


def test_six_maps_with_three_and_six_anchors_a_pixel() -> None:
    outputs = {name: tensor.shape for name, tensor in spec("ssdlite_mobilenet_v2").graph.outputs}
    sides = (20, 10, 5, 3, 2, 1)
    for i, (side, anchors) in enumerate(zip(sides, ANCHORS, strict=True), 1):
        assert outputs[f"boxes{i}"] == (side, side, 4 * anchors)
        assert outputs[f"classes{i}"] == (side, side, 81 * anchors)


def test_anchors_between_are_geometric_means_of_neighbouring_scales() -> None:
    layers = plain(spec("ssdlite_mobilenet_v2").graph.head.tree)["layers"]
    heads = [row["SSDHead"] for row in layers if "SSDHead" in row]
    scales = [h["scale"] for h in heads[::2]]
    assert scales == [h["scale"] for h in heads[1::2]]
    following = [*scales[1:], 1.0]
    for head, scale, after in zip(heads[2::2], scales[1:], following[1:], strict=True):
        assert head["between"] == pytest.approx((scale * after) ** 0.5, abs=1e-3)
