"""The released document-edge checkpoint: every one of its 255 tensors, against a mapping written by hand."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from weights_networks import mobilenet_v2_hed

from archspec.weights import Source, WeightsError, match, read_source, render_report

ROWS = {  # scope of the checkpoint -> instance of our rows
    "block0_0": "conv_1",
    "block0_1": "c1",
    "block0_2": "conv_2",
    "block1_0": "c2",
    **{f"block2_{i}": f"c3_{i + 1}" for i in range(2)},
    **{f"block3_{i}": f"c4_{i + 1}" for i in range(3)},
    **{f"block4_{i}": f"inverted_residual_1_{i + 1}" for i in range(4)},
    **{f"block5_{i}": f"c5_{i + 1}" for i in range(3)},
    **{f"dsn{i}": f"side{i}" for i in range(1, 6)},
    "dsn_fuse": "fuse",
}
ROLES = {
    "conv2d": "",
    "expansion_1x1_conv2d": "expand",
    "depthwise_conv2d": "depthwise",
    "projection_1x1_conv2d": "project",
    "1x1_conv2d": "shortcut",
}


def by_hand(tensor: str) -> tuple[str, str]:
    """Our layer and weight for a tensor of the checkpoint."""
    *path, layer, leaf = tensor.removeprefix("hed/").removeprefix("mobilenet_v2/").split("/")
    role = ROLES[path[1]] if len(path) > 1 else ""
    last = {"batch_normalization": "bn", "conv2d_transpose": "upsample"}.get(layer, "" if role else "conv")
    name = "_".join(part for part in (ROWS[path[0]], role, last) if part)
    return name, "kernel" if leaf == "depthwise_weights" else leaf


@pytest.fixture(scope="module")
def checkpoint(shared: Callable[[str], Path]) -> Source:
    folder = shared("hed/checkpoint")
    pytest.importorskip("tensorflow", reason="reading a TensorFlow checkpoint takes TensorFlow")
    return read_source(folder / "hed.ckpt-100")


def test_every_tensor_lands_where_the_hand_written_mapping_says(checkpoint: Source) -> None:
    slots = mobilenet_v2_hed()
    found = match(slots, checkpoint)
    ours = {tensor: (layer, w) for layer, ws in found.assignment.items() for w, tensor in ws.items()}
    assert ours == {tensor: by_hand(tensor) for tensor in checkpoint.tensors}
    assert len(ours) == 255
    arrays = found.arrays()
    assert sum(a.size for values in arrays.values() for a in values) == 293_973
    assert [a.shape for a in arrays["side5_upsample"]] == [(32, 32, 1, 1), (1,)]
    stored = checkpoint.tensors["hed/mobilenet_v2/block4_2/projection_1x1_conv2d/conv2d/kernel"]
    np.testing.assert_array_equal(arrays["inverted_residual_1_3_project"][0], stored)


def test_the_report_names_layer_row_tensor_and_the_totals(checkpoint: Source) -> None:
    report = render_report(match(mobilenet_v2_hed(), checkpoint))
    line = next(row for row in report.splitlines() if row.startswith("c2_shortcut "))
    assert re.split(r"\s+", line)[:6] == [
        "c2_shortcut",
        "c2",
        "kernel",
        "<-",
        "hed/mobilenet_v2/block1_0/1x1_conv2d/conv2d/kernel",
        "1×1×12×6",
    ]
    assert report.splitlines()[-1] == "255 tensors, 293973 values; left in source: none; left in spec: none"


def without(source: Source, tensor: str) -> Source:
    assert tensor in source.tensors
    return replace(source, tensors={n: a for n, a in source.tensors.items() if n != tensor})


@pytest.mark.parametrize("block", ["block2_0", "block4_2", "block5_2"])
def test_a_missing_tensor_is_named_with_its_row(checkpoint: Source, block: str) -> None:
    scope = f"hed/mobilenet_v2/{block}/projection_1x1_conv2d"
    with pytest.raises(WeightsError, match=r"missing tensor: .*wants kernel 1×1×") as error:
        match(mobilenet_v2_hed(), without(checkpoint, f"{scope}/conv2d/kernel"))
    assert f"(layer `{ROWS[block]}_project`)" in str(error.value)
    assert f"`{scope}/batch_normalization`, but no convolution named like it" in str(error.value)


def test_a_missing_norm_vector_is_named_with_its_layer(checkpoint: Source) -> None:
    tensor = "hed/mobilenet_v2/block3_1/depthwise_conv2d/batch_normalization/moving_variance"
    with pytest.raises(WeightsError) as error:
        match(mobilenet_v2_hed(), without(checkpoint, tensor))
    assert str(error.value).startswith(
        "missing tensor: row `c4` (layer `c4_2_depthwise_bn`) wants moving_variance 144; "
        "`hed/mobilenet_v2/block3_1/depthwise_conv2d/batch_normalization` has none"
    )


def test_a_tensor_too_many_is_named(checkpoint: Source) -> None:
    more = {**checkpoint.tensors, "hed/dsn6/conv2d/kernel": np.zeros((1, 1, 64, 1), np.float32)}
    with pytest.raises(WeightsError, match=r"left in source: 1 of .*`hed/dsn6/conv2d/kernel`") as error:
        match(mobilenet_v2_hed(), replace(checkpoint, tensors=more))
    assert "only row `side5` (layer `side5_conv`) can take such a tensor" in str(error.value)


@pytest.mark.parametrize(
    ("block", "shape"),
    [("block2_0", (1, 1, 6, 35)), ("block4_2", (1, 1, 48, 280)), ("block5_1", (1, 1, 63, 384))],
)
def test_a_reshaped_tensor_is_named_with_its_row(checkpoint: Source, block: str, shape: tuple[int, ...]) -> None:
    tensor = f"hed/mobilenet_v2/{block}/expansion_1x1_conv2d/conv2d/kernel"
    wrong = replace(checkpoint, tensors={**checkpoint.tensors, tensor: np.zeros(shape, np.float32)})
    row = ROWS[block].rsplit("_", 1)[0]
    wants = "×".join(map(str, checkpoint.tensors[tensor].shape))
    with pytest.raises(WeightsError) as error:
        match(mobilenet_v2_hed(), wrong)
    assert str(error.value).splitlines()[0] == (
        f"shape mismatch: row `{row}` (layer `{ROWS[block]}_expand`) wants kernel {wants};"
        f" tensor `{tensor}` is {'×'.join(map(str, shape))}"
    )


def test_side_outputs_that_only_numbers_tell_apart_are_refused(checkpoint: Source) -> None:
    """Without its transposed convolution `dsn2` is shaped as `dsn1`, and the two run in parallel."""
    slots = mobilenet_v2_hed()
    gone = next(i for i, slot in enumerate(slots) if slot.layer == "side2_upsample")
    fewer = [
        replace(slot, above=frozenset(a - (a > gone) for a in slot.above if a != gone))
        for i, slot in enumerate(slots)
        if i != gone
    ]
    left = {n: a for n, a in checkpoint.tensors.items() if not n.startswith("hed/dsn2/conv2d_transpose")}
    source = replace(checkpoint, tensors=left)
    with pytest.raises(WeightsError, match=r"ambiguous: .*`hed/dsn1/conv2d/kernel`") as error:
        match(fewer, source)
    assert "row `side1` (layer `side1_conv`), row `side2` (layer `side2_conv`)" in str(error.value)
    maps = [("hed/dsn*/conv2d", "side*_conv")]
    found = match(fewer, source, maps)
    assert found.assignment["side2_conv"] == {"kernel": "hed/dsn2/conv2d/kernel"}
    assert found.assignment["side2_bn"]["beta"] == "hed/dsn2/batch_normalization/beta"
