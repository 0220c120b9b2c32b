"""What an output pixel sees, by the gradient of the network: where a pixel of the image moves it."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import table

from archspec.analysis import Network
from archspec.tf.lower import lower

SIZE = 129  # pixels of a side; every field below is smaller, and its window lies inside
BARE = "norm: false, bias: false, activation: none"


def random_rows(seed: int) -> str:
    """Three to five convolutions and pools, with all that widens a window."""
    draw = random.Random(seed)
    rows, stride = [], 1
    for _ in range(draw.randint(3, 5)):
        kernel = draw.choice(["1", "2", "3", "5", "[1, 3]", "[3, 5]"])
        pace = draw.choice([1, 1, 2, 3]) if stride < 6 else 1
        stride *= pace
        wide = f"stride: {pace}" if pace > 1 else f"rate: {draw.choice([1, 2, 3])}"
        rows.append(
            draw.choice(
                [
                    f"Conv: {{depth: 2, kernel: {kernel}, {wide}, {BARE}}}",
                    f"DepthwiseConv: {{kernel: {kernel}, {wide}, {BARE}}}",
                    f"DepthSepConv: {{depth: 3, kernel: {kernel}, {wide}, {BARE}}}",
                    f"AvgPool: {{kernel: {kernel}, stride: {pace}}}",
                ]
            )
        )
    return "\n".join(rows)


def seen(network: Network) -> int:
    """The most pixels of the image along an axis that move an output pixel, near the middle of the map."""
    model = lower(network.graph)
    for layer in model.layers:
        layer.set_weights([np.ones_like(w) for w in layer.get_weights()])  # so that nothing cancels
    image = tf.Variable(np.ones((1, *network.graph.input_shape), np.float32))
    widest = 0
    with tf.GradientTape(persistent=True) as tape:
        (output,) = keras.tree.flatten(model(image))
        middle = output.shape[1] // 2
        # a pixel after an upsampling sees more or less, by its place in the pattern
        pixels = [tf.reduce_sum(output[:, middle + i, middle + i]) for i in range(min(output.shape[1] - middle, 4))]
    for pixel in pixels:
        moved = np.abs(tape.gradient(pixel, image).numpy()).sum(axis=(0, 3)) > 0
        for axis in (0, 1):
            places = np.flatnonzero(moved.any(axis=axis))
            assert places[0] > 0, "the window leaves the image: choose a larger one"
            assert places[-1] < SIZE - 1, "the window leaves the image: choose a larger one"
            widest = max(widest, int(places[-1] - places[0] + 1))
    return widest


def check(network: Network) -> None:
    assert network.cost.rows[-1].receptive_field == seen(network)


@pytest.mark.parametrize("seed", range(12))
def test_stacks(seed: int) -> None:
    check(table(random_rows(seed), size=f"[{SIZE}, {SIZE}, 2]"))


@pytest.mark.parametrize(
    "last",
    [
        f"TransposeConv: {{depth: 2, kernel: 8, stride: 4, {BARE}}}",
        f"TransposeConv: {{depth: 2, kernel: 3, stride: 2, {BARE}}}",
        f"TransposeConv: {{depth: 2, kernel: 2, stride: 2, {BARE}}}",
        "Resize: {factor: 4}",
        "Resize: {factor: 3}",
        "Resize: {factor: 1}",
        "Resize: {factor: 3, method: nearest}",
    ],
)
def test_upsampling_last(last: str) -> None:
    rows = f"Conv: {{depth: 2, stride: 2, {BARE}}}\nConv: {{depth: 2, stride: 2, {BARE}}}\n{last}"
    check(table(rows, size=f"[{SIZE}, {SIZE}, 2]"))


def test_axes_are_apart() -> None:
    rows = f"Conv: {{depth: 2, kernel: [1, 5], {BARE}}}\nConv: {{depth: 2, kernel: [5, 1], {BARE}}}"
    network = table(rows, size=f"[{SIZE}, {SIZE}, 2]")
    check(network)
    assert network.cost.rows[-1].receptive_field == 5


def test_branches() -> None:
    rows = f"""
    Conv: {{depth: 2, {BARE}, name: a}}
    Conv: {{depth: 2, kernel: 5, {BARE}, name: b}}
    Add: {{from: [a, b]}}
    """
    network = table(rows, size=f"[{SIZE}, {SIZE}, 2]")
    check(network)
    assert network.cost.rows[-1].receptive_field == 7


def test_check_finds_a_wrong_field() -> None:
    narrow = table(f"Conv: {{depth: 2, kernel: 3, {BARE}}}", size=f"[{SIZE}, {SIZE}, 2]")
    wide = table(f"Conv: {{depth: 2, kernel: 5, {BARE}}}", size=f"[{SIZE}, {SIZE}, 2]")
    assert (seen(narrow), seen(wide)) == (3, 5)
    with pytest.raises(AssertionError):
        check(Network(narrow.spec, None, wide.graph, narrow.cost))
