"""Small networks by hand: what is matched, what is refused, and what the refusal says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from weights_networks import Table, arrays_for, chain, mobilenet_v2_hed, source_of, torch_source

from archspec.weights import Slot, Source, WeightsError, match, parse_map, render_report

KERNEL = {"kernel": (3, 3, 4, 4)}
VECTORS = dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (4,))


def twins(role: str = "conv") -> list[Slot]:
    """Two parallel 3x3 convolutions of 4 channels behind a first one, in rows `a` and `b`."""
    table = Table()
    stem = table.add("stem_conv", "stem", "Conv", "conv", "conv", [], kernel=(3, 3, 3, 4))
    for row in "ab":
        table.add(f"{row}_conv", row, "Conv", "conv", "conv", [stem], kernel=(3, 3, 4, 4))
    return table.slots


def refusal(slots: list[Slot], tensors: dict[str, Any], **facts: Any) -> str:
    maps = facts.pop("maps", ())
    with pytest.raises(WeightsError) as error:
        match(slots, Source("test", tensors, **facts), maps)
    return str(error.value)


def zeros(**shapes: tuple[int, ...]) -> dict[str, Any]:
    """Tensors by name, `__` for `/`."""
    return {name.replace("__", "/"): np.zeros(shape, np.float32) for name, shape in shapes.items()}


def test_parallel_layers_of_one_shape_are_refused_with_rows_tensors_and_a_way_out() -> None:
    tensors = zeros(stem__kernel=(3, 3, 3, 4), left__kernel=(3, 3, 4, 4), right__kernel=(3, 3, 4, 4))
    expected = (
        "ambiguous: `left/kernel` 3×3×4×4, `right/kernel` 3×3×4×4 fit alike row `a` (layer `a_conv`),"
        " row `b` (layer `b_conv`), which want kernel 3×3×4×4;"
        " say which is which, such as --map 'left=a_conv'"
    )
    assert refusal(twins(), tensors) == expected
    order = {"stem": ("layers", 0), "left": ("layers", 1), "right": ("layers", 2)}
    assert refusal(twins(), tensors, order=order) == expected  # a file's order of parallel layers proves nothing
    found = match(twins(), Source("test", tensors), [("left", "b_conv")])
    assert found.assignment == {
        "stem_conv": {"kernel": "stem/kernel"},
        "a_conv": {"kernel": "right/kernel"},
        "b_conv": {"kernel": "left/kernel"},
    }
    assert [entry.how for entry in found.entries] == ["shape", "shape", "map"]


def test_parallel_layers_told_apart_by_numbers_alone_are_refused() -> None:
    tensors = zeros(c0__kernel=(3, 3, 3, 4), c1__kernel=(3, 3, 4, 4), c2__kernel=(3, 3, 4, 4))
    assert refusal(twins(), tensors).startswith("ambiguous: `c1/kernel`")


def test_numbers_that_run_against_the_flow_are_no_order() -> None:
    """Decoders count down: where a settled layer shows it, the numbers of the others prove nothing."""
    slots = chain(("one", "conv", {"kernel": (3, 3, 3, 4)}), ("two", "conv", KERNEL), ("three", "conv", KERNEL))
    up = zeros(up1__kernel=(3, 3, 3, 4), up2__kernel=(3, 3, 4, 4), up3__kernel=(3, 3, 4, 4))
    assert match(slots, Source("test", up)).assignment["x_three"] == {"kernel": "up3/kernel"}
    down = zeros(up3__kernel=(3, 3, 3, 4), up2__kernel=(3, 3, 4, 4), up1__kernel=(3, 3, 4, 4))
    assert refusal(slots, down).startswith("ambiguous: ")


def test_a_bias_too_many_and_a_bias_missing_are_named() -> None:
    slots = chain(("conv", "conv", KERNEL))
    both = zeros(c__kernel=(3, 3, 4, 4), c__bias=(4,))
    assert refusal(slots, both) == (
        "left in source: row `x` (layer `x_conv`) has no bias; the source has one: `c/bias`"
    )
    biased = chain(("conv", "conv", {**KERNEL, "bias": (4,)}))
    assert refusal(biased, zeros(c__kernel=(3, 3, 4, 4))) == (
        "missing tensor: row `x` (layer `x_conv`) wants bias 4; `c` has none"
    )


def test_a_gamma_the_layer_lacks_may_only_be_ones() -> None:
    vectors = {name: shape for name, shape in VECTORS.items() if name != "gamma"}
    slots = chain(("conv", "conv", KERNEL), ("bn", "norm", vectors))
    tensors = {"c/kernel": np.zeros((3, 3, 4, 4), np.float32), "n/gamma": np.ones(4, np.float32)}
    tensors |= {f"n/{name}": np.zeros(4, np.float32) for name in vectors}
    found = match(slots, Source("test", tensors))
    assert found.unused == ("n/gamma",)
    assert "left in source: n/gamma;" in render_report(found)
    assert refusal(slots, {**tensors, "n/gamma": np.full(4, 1.001, np.float32)}) == (
        "left in source: row `x` (layer `x_bn`) has no gamma; the source has one that is not all ones: `n/gamma`"
    )
    scaled = chain(("conv", "conv", KERNEL), ("bn", "norm", VECTORS))
    del tensors["n/gamma"]
    assert refusal(scaled, tensors) == "missing tensor: row `x` (layer `x_bn`) wants gamma 4; `n` has none"


def test_all_findings_come_at_once() -> None:
    slots = chain(("one", "conv", KERNEL), ("two", "dense", {"kernel": (4, 9)}), ("three", "norm", VECTORS))
    tensors = zeros(a__kernel=(3, 3, 4, 5), b__kernel=(4, 9), b2__kernel=(4, 9), c__embeddings=(7, 7))
    assert refusal(slots, tensors).splitlines() == [
        "shape mismatch: row `x` (layer `x_one`) wants kernel 3×3×4×4; tensor `a/kernel` is 3×3×4×5",
        "missing tensor: row `x` (layer `x_three`) wants gamma 4, beta 4, moving_mean 4, moving_variance 4;"
        " the source has none left",
        "left in source: 1 of `b/kernel` 4×9, `b2/kernel` 4×9; only row `x` (layer `x_two`) can take such a tensor",
        "left in source: no row wants `c/embeddings`",
    ]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.full((3, 3, 4, 4), np.nan, np.float32), "tensor `c/kernel` holds values that are not finite"),
        (np.zeros((3, 3, 4, 4), np.int8), "tensor `c/kernel` holds int8, not floats"),
    ],
)
def test_values_that_are_no_trained_weights_are_refused(value: Any, says: str) -> None:
    assert refusal(chain(("conv", "conv", KERNEL)), {"c/kernel": value}).startswith(says)


def test_a_norm_stays_with_the_convolution_it_is_named_after() -> None:
    """Shapes would allow it: the source normalizes `b`, the network its first convolution."""
    slots = chain(("one", "conv", KERNEL), ("one_bn", "norm", VECTORS), ("two", "conv", KERNEL))
    tensors = zeros(a__kernel=(3, 3, 4, 4), b__kernel=(3, 3, 4, 4))
    tensors |= {f"b/bn/{name}": np.zeros(4, np.float32) for name in VECTORS}
    order = {"a": ("layers", 0), "b": ("layers", 1), "b/bn": ("layers", 2)}
    assert refusal(slots, tensors, order=order) == (
        "tensor `b/bn/gamma` 4 is named after `b`, which matched row `x` (layer `x_two`);"
        " that layer has no norm of that shape"
    )


def test_norms_in_front_of_their_convolutions_go_by_order() -> None:
    slots = chain(
        ("norm1", "norm", VECTORS), ("conv1", "conv", KERNEL), ("norm2", "norm", VECTORS), ("conv2", "conv", KERNEL)
    )
    arrays = arrays_for(slots)
    scopes = {"x_norm1": "res/bn1", "x_conv1": "res/conv1", "x_norm2": "res/bn2", "x_conv2": "res/conv2"}
    found = match(slots, source_of(arrays, scopes))
    assert {layer: next(iter(t.values())).rpartition("/")[0] for layer, t in found.assignment.items()} == scopes


def test_counts_alone_do_not_give_a_name_its_role() -> None:
    """Two `f` and a `g` for two layers of one role and one of another: nothing settled says that `f` is the first."""
    table = Table()
    last: list[str] = []
    for row, role in (("a", "spatial"), ("a", "mix"), ("b", "spatial")):
        last = [table.add(f"{row}_{role}", row, "Block", role, "conv", last, kernel=(3, 3, 4, 4))]
    tensors = zeros(f1__kernel=(3, 3, 4, 4), f2__kernel=(3, 3, 4, 4), g__kernel=(3, 3, 4, 4))
    assert refusal(table.slots, tensors).startswith("ambiguous: `f1/kernel`")


def test_automatic_names_have_no_role() -> None:
    """`conv2d` is settled as the role `spatial`; that does not make `conv2d_1` one."""
    table, last = Table(), list[str]()
    for row, role, kernel in (
        ("a", "spatial", (5, 5, 3, 4)),
        ("b", "spatial", (3, 3, 4, 4)),
        ("b", "mix", (3, 3, 4, 4)),
    ):
        last = [table.add(f"{row}_{role}", row, "Block", role, "conv", last, kernel=kernel)]
    for name, says in (("conv2d", "ambiguous: `head/kernel`"), ("wide", None)):
        tensors = {f"{scope}/kernel": np.zeros((3, 3, 4, 4), np.float32) for scope in ("head", f"{name}_1")}
        tensors[f"{name}/kernel"] = np.zeros((5, 5, 3, 4), np.float32)
        if says:
            assert refusal(table.slots, tensors).startswith(says)
        else:
            assert match(table.slots, Source("test", tensors)).assignment["b_mix"] == {"kernel": "head/kernel"}


def test_layers_counted_separately_have_no_order_between_them() -> None:
    """A .weights.h5 counts each class of layers on its own."""
    slots = chain(("one", "conv", KERNEL), ("two", "conv", KERNEL))
    tensors = zeros(f__kernel=(3, 3, 4, 4), g__kernel=(3, 3, 4, 4))
    order = {"f": ("layers/conv2d", 1), "g": ("layers/my_conv2d", 0)}
    assert refusal(slots, tensors, order=order).startswith("ambiguous: `f/kernel`")
    one_stream = Source("test", tensors, order={"f": ("layers/conv2d", 1), "g": ("layers/conv2d", 0)})
    assert match(slots, one_stream).assignment == {"x_one": {"kernel": "g/kernel"}, "x_two": {"kernel": "f/kernel"}}


def test_pytorch_layouts_become_keras_layouts() -> None:
    slots = chain(
        ("conv", "conv", {"kernel": (3, 5, 3, 8), "bias": (8,)}),
        ("conv_bn", "norm", dict.fromkeys(VECTORS, (8,))),
        ("depthwise", "depthwise", {"kernel": (3, 3, 8, 2)}),
        ("grouped", "conv", {"kernel": (1, 1, 4, 6)}),
        ("up", "transpose", {"kernel": (2, 2, 7, 6), "bias": (7,)}),
        ("fc", "dense", {"kernel": (7, 10), "bias": (10,)}),
    )
    scopes = {
        "x_conv": "stem.0",
        "x_conv_bn": "stem.1",
        "x_depthwise": "dw",
        "x_grouped": "g",
        "x_up": "up",
        "x_fc": "fc",
    }
    arrays = match(slots, torch_source(slots, arrays_for(slots), scopes)).arrays()
    for layer, weights in arrays_for(slots).items():
        for got, expected in zip(arrays[layer], weights.values(), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_a_pytorch_kernel_of_two_readings_is_refused_unless_one_is_taken() -> None:
    """(4, 1, 3, 3) is a convolution of a grey image, or a depthwise one of four channels."""
    slots = chain(("conv", "conv", {"kernel": (3, 3, 1, 4)}), ("depthwise", "depthwise", {"kernel": (3, 3, 4, 1)}))
    source = torch_source(slots, arrays_for(slots), {"x_conv": "a", "x_depthwise": "b"})
    text = refusal(slots, dict(source.tensors))
    assert text.splitlines()[0].startswith("ambiguous: `a.weight` 4×1×3×3 fits row `x` (layer `x_conv`), row `x`")
    arrays = match(slots, source, [("a", "x_conv")]).arrays()
    np.testing.assert_array_equal(arrays["x_depthwise"][0], arrays_for(slots)["x_depthwise"]["kernel"])


def test_a_pytorch_dense_layer_behind_a_flattened_map_is_refused() -> None:
    slots = chain(("conv", "conv", {"kernel": (3, 3, 3, 4)}), ("fc", "dense", {"kernel": (36, 5)}))
    source = torch_source(slots, arrays_for(slots), {"x_conv": "conv", "x_fc": "fc"})
    text = refusal(slots, dict(source.tensors))
    assert text.startswith("ambiguous: row `x` (layer `x_fc`) reads 36 values, the layers above give 4 channels")
    assert match(slots, source, [("fc", "x_fc")]).assignment["x_fc"] == {"kernel": "fc.weight"}
    pooled = [slots[0], replace(slots[1], weights=(("kernel", (4, 5)),))]
    assert match(pooled, torch_source(pooled, arrays_for(pooled), {"x_conv": "conv", "x_fc": "fc"}))


@pytest.mark.parametrize(("kind", "shape", "stored"), [("dense", (4, 9), (1, 1, 4, 9)), ("conv", (1, 1, 4, 9), (4, 9))])
def test_a_pointwise_convolution_is_a_dense_layer(kind: str, shape: tuple[int, ...], stored: tuple[int, ...]) -> None:
    """MobileNet's classifier is a 1x1 convolution in Slim and in keras.applications."""
    value = np.random.default_rng(1).normal(size=stored).astype(np.float32)
    got = match(chain(("logits", kind, {"kernel": shape})), Source("test", {"preds/kernel": value})).arrays()
    np.testing.assert_array_equal(got["x_logits"][0].ravel(), value.ravel())
    assert got["x_logits"][0].shape == shape


def test_separable_layers_are_two() -> None:
    slots = chain(
        ("depthwise", "depthwise", {"kernel": (3, 3, 4, 1)}),
        ("pointwise", "conv", {"kernel": (1, 1, 4, 6), "bias": (6,)}),
    )
    tensors = zeros(s__depthwise_weights=(3, 3, 4, 1), s__pointwise_weights=(1, 1, 4, 6), s__biases=(6,))
    assert match(slots, Source("test", tensors)).assignment == {
        "x_depthwise": {"kernel": "s/depthwise_weights"},
        "x_pointwise": {"kernel": "s/pointwise_weights", "bias": "s/biases"},
    }


def test_a_square_kernel_of_another_kind_is_refused() -> None:
    slots = chain(("up", "transpose", {"kernel": (2, 2, 4, 4)}))
    assert refusal(slots, zeros(net__conv2d__kernel=(2, 2, 4, 4))) == (
        "row `x` (layer `x_up`) is a transpose layer; `net/conv2d/kernel` 2×2×4×4 is of another kind"
    )
    assert match(slots, Source("test", zeros(net__up__kernel=(2, 2, 4, 4))))


def test_one_weight_under_two_names_is_refused() -> None:
    tensors = zeros(c__kernel=(3, 3, 4, 4), c__weights=(3, 3, 4, 4))
    assert refusal(chain(("conv", "conv", KERNEL)), tensors) == (
        "tensors `c/kernel` and `c/weights` are both the kernel of `c`"
    )


@pytest.mark.parametrize(
    ("maps", "says"),
    [
        ([("nothing*", "a_conv")], "--map 'nothing*=a_conv' matches no scope of the source"),
        ([("nothing", "")], "--map 'nothing=' matches no scope of the source"),
        ([("left", "c_conv")], "--map 'left=c_conv' gives layer c_conv, which the network has not"),
        ([("left", "a_conv"), ("right", "a_conv")], "--map 'right=a_conv': `right` or layer `a_conv` is mapped twice"),
        ([("left", "a_conv"), ("left", "b_conv")], "--map 'left=b_conv': `left` or layer `b_conv` is mapped twice"),
        ([("left", "a_conv"), ("left", "")], "--map both drops and maps `left`"),
        (
            [("left", "stem_conv")],
            "shape mismatch: row `stem` (layer `stem_conv`) wants kernel 3×3×3×4; tensor `left/kernel` is 3×3×4×4",
        ),
    ],
)
def test_a_map_that_cannot_be_is_refused(maps: list[tuple[str, str]], says: str) -> None:
    tensors = zeros(stem__kernel=(3, 3, 3, 4), left__kernel=(3, 3, 4, 4), right__kernel=(3, 3, 4, 4))
    assert refusal(twins(), tensors, maps=maps) == says


def test_a_star_stands_for_the_same_text_and_an_empty_layer_drops() -> None:
    tensors = zeros(
        stem__kernel=(3, 3, 3, 4),
        branch_b__k__kernel=(3, 3, 4, 4),
        branch_a__k__kernel=(3, 3, 4, 4),
        aux__kernel=(9, 9),
    )
    found = match(twins(), Source("test", tensors), [parse_map("branch_*/*=*_conv"), parse_map("aux=")])
    assert found.assignment["a_conv"] == {"kernel": "branch_a/k/kernel"}
    assert found.unused == ("aux/kernel",)


@pytest.mark.parametrize("text", ["conv", "=layer", "conv=*_conv"])
def test_a_map_that_is_no_pair_of_patterns_is_refused(text: str) -> None:
    with pytest.raises(WeightsError, match="--map"):
        parse_map(text)


def test_roles_follow_names_settled_elsewhere() -> None:
    """`c2` has projection and shortcut of one shape; `block_2` shows which name is which."""
    from weights_networks import inverted_residual

    table = Table()
    last = inverted_residual(table, "c2", "c2", [], 12, 6, 1, 1)
    inverted_residual(table, "c3", "c3", last, 6, 12, 6, 1)
    arrays = arrays_for(table.slots)
    words = {"expand": "widen", "depthwise": "spatial", "project": "narrow", "shortcut": "skip"}
    scopes = {}
    for slot in table.slots:
        name, _, role = slot.layer.partition("_")
        norm = "/batch_normalization" if role.endswith("_bn") else "/conv2d" if slot.kind == "conv" else "/dw"
        scopes[slot.layer] = f"net/block_{name[1]}/{words[role.removesuffix('_bn')]}{norm}"
    found = match(table.slots, source_of(arrays, scopes))
    assert {layer: next(iter(t.values())).rpartition("/")[0] for layer, t in found.assignment.items()} == scopes
    first = [slot for slot in table.slots if slot.row == "c2"]  # alone, nothing shows it
    alone = {slot.layer: arrays[slot.layer] for slot in first}
    with pytest.raises(WeightsError, match=r"ambiguous: .*`net/block_2/narrow/conv2d/kernel`"):
        match(first, source_of(alone, scopes))


def test_a_match_is_ready_to_load() -> None:
    slots = mobilenet_v2_hed()
    arrays = arrays_for(slots)
    wide = {layer: {n: a.astype(np.float64) for n, a in ws.items()} for layer, ws in arrays.items()}
    got = match(slots, source_of(wide, {slot.layer: slot.layer for slot in slots})).arrays()
    assert list(got) == [slot.layer for slot in slots]
    assert {a.dtype for ws in got.values() for a in ws} == {np.dtype(np.float32)}
    for slot in slots:
        assert [a.shape for a in got[slot.layer]] == [shape for _, shape in slot.weights]
