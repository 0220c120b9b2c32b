"""A separable convolution is one layer in a file and two here: its norm belongs to the second."""

import numpy as np
from weights_networks import Table

from archspec.weights import Source, match

VECTORS = ("gamma", "beta", "moving_mean", "moving_variance")


def source(scope: str) -> Source:
    """A separable convolution and a projection beside it, alike in depth, each with a norm; the second half's first."""
    tensors = {
        f"{scope}/depthwise_kernel": (3, 3, 4, 1),
        f"{scope}/pointwise_kernel": (1, 1, 4, 8),
        "projection/kernel": (2, 2, 4, 8),
        **{f"plain/{leaf}": (8,) for leaf in VECTORS},
        **{f"{scope}_bn/{leaf}": (8,) for leaf in VECTORS},
    }
    return Source("test", {name: np.zeros(shape, np.float32) for name, shape in tensors.items()})


def test_the_norm_named_after_both_halves_follows_the_second() -> None:
    table = Table()
    table.add("x_depthwise", "x", "Block", "depthwise", "depthwise", [], kernel=(3, 3, 4, 1))
    table.add("x_pointwise", "x", "Block", "pointwise", "conv", ["x_depthwise"], kernel=(1, 1, 4, 8))
    table.norm("x_pointwise_bn", "x", "Block", "pointwise_bn", ["x_pointwise"], 8)
    table.add("x_shortcut", "x", "Block", "shortcut", "conv", [], kernel=(2, 2, 4, 8))
    table.norm("x_shortcut_bn", "x", "Block", "shortcut_bn", ["x_shortcut"], 8)
    for scope in ("sepconv1", "block2/sepconv1"):
        found = match(table.slots, source(scope)).assignment
        assert found["x_pointwise"] == {"kernel": f"{scope}/pointwise_kernel"}
        assert found["x_pointwise_bn"]["gamma"] == f"{scope}_bn/gamma"
        assert found["x_shortcut_bn"]["gamma"] == "plain/gamma"


def test_a_scope_that_is_called_pointwise_is_no_half() -> None:
    """Its norm is named after it, and not after the layer that holds it, which has a norm of its own."""
    table = Table()
    for name, kernel in (("a", (1, 1, 4, 8)), ("b", (2, 2, 4, 8))):
        table.add(f"{name}_conv", name, "Conv", "conv", "conv", [], kernel=kernel)
        table.norm(f"{name}_conv_bn", name, "Conv", "conv_bn", [f"{name}_conv"], 8)
    tensors = {
        "m/kernel": (2, 2, 4, 8),
        "m/pointwise/kernel": (1, 1, 4, 8),
        **{f"m_bn/{leaf}": (8,) for leaf in VECTORS},
        **{f"m/pointwise_bn/{leaf}": (8,) for leaf in VECTORS},
    }
    arrays = {name: np.zeros(shape, np.float32) for name, shape in tensors.items()}
    found = match(table.slots, Source("test", arrays)).assignment
    assert found["a_conv_bn"]["gamma"] == "m/pointwise_bn/gamma"
    assert found["b_conv_bn"]["gamma"] == "m_bn/gamma"
