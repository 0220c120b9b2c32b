"""HED on its own trunk and on MobileNet v1's, counted by a hand formula."""

from collections.abc import Iterator, Sequence

import pytest
from keras_counts import Counts, counts
from networks import spec

from archspec.analysis import Network

Layer = tuple[str, int]  # conv, depthwise, pointwise or half (a strided conv); channels out

VGG = (
    [("conv", 64)] * 2, [("conv", 128)] * 2, [("conv", 256)] * 3, [("conv", 512)] * 3, [("conv", 512)] * 3,
)  # fmt: skip


def separable(depth: int, repeat: int) -> list[Layer]:
    return [("depthwise", 0), ("pointwise", depth)] * repeat


def mobilenet(*depths: int) -> tuple[list[Layer], ...]:
    """Five stages: two convolutions; a strided one and a separable block; 2, 2 and 6 separable blocks."""
    first, second, *rest = depths
    stages = [separable(depth, repeat) for depth, repeat in zip(rest[1:], (2, 2, 6), strict=True)]
    return [("conv", first)] * 2, [("conv", second), *separable(rest[0], 1)], *stages


def parts(stages: Sequence[Sequence[Layer]], pixels: int, norm: bool) -> Iterator[tuple[int, int, int, bool]]:
    """Of each convolution: weights, channels out, multiplies, and whether batch norm (else a bias) follows it.

    A stage's maps have a quarter of the pixels of the stage before; a transposed convolution by f has a kernel of
    2f × 2f and is charged by pixel of its input.
    """
    channels = 3
    for stage, layers in enumerate(stages):
        here, factor = pixels // 4**stage, 2**stage
        for kind, depth in layers:
            weights = {"conv": 9 * channels * depth, "depthwise": 9 * channels, "pointwise": channels * depth}[kind]
            channels = depth or channels
            yield weights, channels, weights * here, norm
        yield channels, 1, channels * here, norm
        if stage:
            yield 4 * factor**2, 1, 4 * factor**2 * here, False
    yield len(stages), 1, len(stages) * pixels, False


def by_hand(stages: Sequence[Sequence[Layer]], pixels: int, norm: bool, fixed: int = 0) -> Counts:
    """Parameters, trainable ones (all but `fixed` and batch norm's statistics) and MACs."""
    params = frozen = macs = 0
    for weights, depth, multiplies, normed in parts(stages, pixels, norm):
        params += weights + (4 * depth if normed else depth)
        frozen += 2 * depth if normed else 0
        macs += multiplies
    return params, params - frozen - fixed, macs


def check(network: Network, counted: Counts) -> None:
    assert counts(network) == counted


UPSAMPLING = sum((2 * factor) ** 2 + 1 for factor in (2, 4, 8, 16))


@pytest.mark.parametrize(("variant", "fixed"), [(None, UPSAMPLING), ("learned", 0)])
def test_hed(variant: str | None, fixed: int) -> None:
    check(spec("hed", variant), by_hand(VGG, 320 * 480, norm=False, fixed=fixed))


def test_hed_has_the_convolutions_of_vgg_16() -> None:
    trunk = [row for row in spec("hed").cost.rows if row.block == "Conv"]
    vgg = [row for row in spec("vgg").cost.rows if row.block == "Conv"]
    assert sum(row.params for row in trunk) == sum(row.params for row in vgg) == 14714688  # "14.7 M"


@pytest.mark.parametrize(
    ("variant", "depths"),
    [
        (None, (16, 32, 64, 128, 256, 512)),
        ("w0.5", (8, 16, 32, 64, 128, 256)),
        ("w0.25", (8, 8, 16, 32, 64, 128)),  # never under 8: 16 / 4 is 4
    ],
)
def test_mobilenet_v1_hed(variant: str | None, depths: tuple[int, ...]) -> None:
    check(spec("mobilenet_v1_hed", variant), by_hand(mobilenet(*depths), 256 * 256, norm=True))


def test_check_finds_another_network() -> None:
    for other in (
        by_hand(VGG, 320 * 480, norm=False),  # nothing fixed
        by_hand(VGG, 320 * 480, norm=True, fixed=UPSAMPLING),
        by_hand(VGG, 256 * 256, norm=False, fixed=UPSAMPLING),
    ):
        with pytest.raises(AssertionError):
            check(spec("hed"), other)


@pytest.mark.parametrize("name", ["hed", "mobilenet_v1_hed"])
def test_stages_and_maps(name: str) -> None:
    """Stage N ends at stride 2^(N-1), and every edge map has the size of the image."""
    network = spec(name)
    strides = {row.name: row.stride for row in network.cost.rows if row.name[0] == "c" and len(row.name) == 2}
    assert strides == {"c1": 1, "c2": 2, "c3": 4, "c4": 8, "c5": 16}
    size = network.graph.input_shape[:2]
    assert [(name, t.shape) for name, t in network.graph.outputs] == [
        (name, (*size, 1)) for name in ("fuse", "side1", "side2", "side3", "side4", "side5")
    ]
