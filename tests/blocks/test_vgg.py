"""VGG's columns, counted by hand from the paper's table 1 and held against published counts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from keras_counts import Counts, counts, keras_counts
from networks import spec

from archspec import ops
from archspec.analysis import Network

# Table 1: kernels of the convolutions of each stage.
COLUMNS = {
    "A": ([3], [3], [3, 3], [3, 3], [3, 3]),
    "B": ([3, 3], [3, 3], [3, 3], [3, 3], [3, 3]),
    "C": ([3, 3], [3, 3], [3, 3, 1], [3, 3, 1], [3, 3, 1]),
    "D": ([3, 3], [3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]),
    "E": ([3, 3], [3, 3], [3, 3, 3, 3], [3, 3, 3, 3], [3, 3, 3, 3]),
}
WIDTHS = (64, 128, 256, 512, 512)
MILLIONS = {"A": 133, "B": 133, "C": 134, "D": 138, "E": 144}  # table 2
TORCHVISION_BN = {"A": 132868840, "B": 133053736, "D": 138365992, "E": 143678248}  # vgg11_bn .. vgg19_bn, trainable
KERAS = {"VGG16": "D", "VGG19": "E"}


def by_hand(stages: Sequence[Sequence[int]], norm: bool = False, classes: int = 1000) -> Counts:
    """Parameters, trainable ones and MACs at 224×224×3. A stage is the kernels of its convolutions."""
    params = frozen = macs = 0
    channels, side = 3, 224
    for width, kernels in zip(WIDTHS, stages, strict=True):
        for kernel in kernels:
            weights = kernel * kernel * channels * width
            params += weights + width + (4 * width if norm else 0)
            frozen += 2 * width if norm else 0
            macs += weights * side * side
            channels = width
        side //= 2
    wide = channels * side * side
    for units in (4096, 4096, classes):
        params += wide * units + units
        macs += wide * units
        wide = units
    return params, params - frozen, macs


def column(letter: str, bn: bool = False) -> Network:
    """What the spec gives for a column; the head of vgg.yaml is D."""
    variant = f"{letter}-bn" if bn else letter
    return spec("vgg", None if variant == "D" else variant)


def check(network: Network, counted: Counts) -> None:
    assert counts(network) == counted


@pytest.mark.parametrize("bn", [False, True])
@pytest.mark.parametrize("letter", COLUMNS)
def test_columns(letter: str, bn: bool) -> None:
    check(column(letter, bn), by_hand(COLUMNS[letter], norm=bn))


def test_check_finds_another_column() -> None:
    for other in (by_hand(COLUMNS["D"]), by_hand(COLUMNS["C"], norm=True)):
        with pytest.raises(AssertionError):
            check(column("C"), other)


def test_published() -> None:
    assert {letter: round(column(letter).cost.params / 1e6) for letter in COLUMNS} == MILLIONS
    assert {letter: column(letter, bn=True).cost.trainable for letter in TORCHVISION_BN} == TORCHVISION_BN


def test_keras_applications(shared: Callable[[str], Path]) -> None:
    for name, letter in KERAS.items():
        check(column(letter), keras_counts(shared, name))


def test_flowers_head() -> None:
    network = spec("vgg", "flowers17")
    check(network, by_hand(COLUMNS["D"], classes=17))
    head = [(r.block, r.output.shape) for r in network.graph.rows][-5:]
    wide = (4096,)
    assert head == [("Dense", wide), ("Dropout", wide), ("Dense", wide), ("Dropout", wide), ("Dense", (17,))]
    assert [node.op.drop for node in network.graph.nodes if isinstance(node.op, ops.Dropout)] == [0.5, 0.5]


def test_batch_norm_stays_out_of_the_head() -> None:
    nodes = spec("vgg", "D-bn").graph.nodes
    assert sum(node.op.kind == "norm" for node in nodes) == sum(map(len, COLUMNS["D"]))
    assert not any(node.op.kind == "norm" for node in nodes if len(node.shape) == 1)
