"""The fields' numbers are those of metadata_schema.fbs (tflite-support 0.4.4): a union takes two, its type's first."""

from typing import Any

import numpy as np
import pytest
from deliver.flat import Table, root
from PIL import Image

from archspec.artifact import TensorInfo
from archspec.deliver.metadata import OBJECTS, Description, MetadataError, encode, normalization
from archspec.nms.tail import OUTPUTS
from archspec.photo import InputContract, prepare

SIZE = (2, 128, 3)
TAKEN = TensorInfo("image", (1, *SIZE), "int8", 1 / 255, -128)
CLASSES = TensorInfo("logits", (1, 4), "int8", 0.5, 4)
MAP = TensorInfo("fuse", (1, 2, 128, 1), "float32", None, None)


def contract(**changes: Any) -> InputContract:
    plain = {"size": SIZE, "range": (0.0, 1.0), "mean": None, "std": None, "color": "rgb", "resize": "stretch"}
    return InputContract(**(plain | changes))


CONTRACTS = [
    contract(),
    contract(range=(-1.0, 1.0)),
    contract(range=(1.0, -3.0)),
    contract(range=None),
    contract(range=None, mean=(123.68, 116.779, 103.939), color="bgr"),
    contract(range=None, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
    contract(range=None, std=(64.0,), color="gray", size=(2, 128, 1)),
]


def described(taken: InputContract | None, *given: TensorInfo, labels: tuple[str, ...] = ()) -> Table:
    description = Description("net", "0.1.0, spec 12ab", "A network.", taken, labels)
    info = TAKEN if taken is None else TensorInfo("image", (1, *taken.size), "int8", 1 / 255, -128)
    return root(encode(description, info, given), b"M001")


def graph(model: Table) -> Table:
    (found,) = model.tables(3)
    return found


def test_the_model_is_named() -> None:
    model = described(contract(), MAP)
    assert [model.text(field) for field in (0, 1, 2)] == ["net", "A network.", "0.1.0, spec 12ab"]
    assert model.text(7) == "1.0.0", "the version that all fields used here came with"
    assert graph(model).text(0) == "net"


@pytest.mark.parametrize("taken", CONTRACTS, ids=str)
def test_normalization_is_what_prepare_does(taken: InputContract) -> None:
    # every value of 0..255, in a photo of the network's own size
    levels = np.arange(256, dtype=np.uint8).reshape(2, 128, 1)
    wanted = prepare(Image.fromarray(np.repeat(levels, 3, -1)), taken)
    (tensor,) = graph(described(taken, MAP)).tables(2)
    (unit,) = tensor.tables(4)
    assert unit.number(0, "B") == 1, "NormalizationOptions"
    mean, std = unit.table(1).floats(0), unit.table(1).floats(1)
    assert len(mean) == len(std) == taken.size[2]
    got = (levels.astype(np.float64) - mean) / std
    np.testing.assert_allclose(got, wanted, rtol=0, atol=3e-7 * np.abs(wanted).max())
    for got_numbers, numbers in zip(normalization(taken), (mean, std), strict=True):
        assert got_numbers == pytest.approx(numbers, rel=1e-7)
    stats = tensor.table(5)
    for field, ends in ((0, wanted.max((0, 1))), (1, wanted.min((0, 1)))):
        np.testing.assert_allclose(stats.floats(field), ends, rtol=1e-6, atol=3e-7 * np.abs(wanted).max())


@pytest.mark.parametrize(("color", "space"), [("rgb", 1), ("gray", 2), ("bgr", 0)])
def test_the_input_is_an_image(color: str, space: int) -> None:
    taken = contract(color=color, size=(2, 128, 1 if color == "gray" else 3))
    (tensor,) = graph(described(taken, MAP)).tables(2)
    content = tensor.table(3)
    assert content.number(0, "B") == 2, "ImageProperties"
    assert content.table(1).number(0, "b") == space
    size = content.table(1).table(1)
    assert (size.number(0, "I"), size.number(1, "I")) == (128, 2), "width, height"
    assert tensor.text(0) == "image"
    assert ("blue, green, red" in tensor.text(1)) == (color == "bgr")


def test_an_input_that_is_no_photo_has_its_name_alone() -> None:
    (tensor,) = graph(described(None, MAP)).tables(2)
    assert tensor.text(0) == "image"
    assert not any(tensor.place(field) for field in range(1, 7))


def test_outputs_are_the_rows_and_labels_belong_to_those_with_as_many_units() -> None:
    outputs = graph(described(contract(), MAP, CLASSES, labels=("a", "b", "c", "d"))).tables(3)
    assert [tensor.text(0) for tensor in outputs] == ["fuse", "logits"]
    assert [tensor.table(3).number(0, "B") for tensor in outputs] == [1, 1], "FeatureProperties"
    assert outputs[0].text(1) == "Row `fuse` of the spec, 2×128×1."
    assert not outputs[0].place(6)
    assert not outputs[0].place(5), "a float may be anything"
    (file,) = outputs[1].tables(6)
    assert (file.text(0), file.number(2, "b")) == ("labels.txt", 2), "TENSOR_AXIS_LABELS"
    # the ends of int8, by (stored - 4) * 0.5
    assert (outputs[1].table(5).floats(0), outputs[1].table(5).floats(1)) == ([61.5], [-66.0])


def test_the_same_gives_the_same_bytes() -> None:
    description = Description("net", "1", "A network.", contract(), ("a", "b", "c", "d"))
    assert encode(description, TAKEN, [CLASSES]) == encode(description, TAKEN, [CLASSES])


@pytest.mark.parametrize(
    ("taken", "labels", "message"),
    [
        (contract(size=(2, 64, 3)), (), "the file takes [1, 2, 128, 3], not one photo of [2, 64, 3]"),
        (contract(), ("a", "b"), "no output has 2 units, as many as there are labels"),
        (contract(range=(1.0, 1.0)), (), "input range [1.0, 1.0] maps every pixel onto one number"),
    ],
)
def test_a_description_of_something_else_is_refused(
    taken: InputContract, labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(MetadataError) as caught:
        encode(Description("net", "1", "A network.", taken, labels), TAKEN, [CLASSES])
    assert str(caught.value) == message


def test_the_reader_notices_what_is_absent() -> None:
    with pytest.raises(AssertionError, match="field 4 is absent"):
        described(contract(), MAP).target(4)
    with pytest.raises(AssertionError):
        root(b"\0\0\0\0TFL3", b"M001")


def test_boxes_are_described_and_labels_name_their_classes() -> None:
    given = [TensorInfo(name, (1, 5), "float32", None, None) for name in OUTPUTS]
    description = Description("net", "1", "A network.", contract(), ("cat", "dog"), objects=True)
    outputs = graph(root(encode(description, TAKEN, given), b"M001")).tables(3)
    assert [tensor.text(0) for tensor in outputs] == ["boxes", "classes", "scores", "count"]
    assert [tensor.text(1) for tensor in outputs] == [
        OBJECTS["boxes"], f"{OBJECTS['classes']} labels.txt names them.", OBJECTS["scores"], OBJECTS["count"],
    ]  # fmt: skip
    (file,) = outputs[1].tables(6)
    assert (file.text(0), file.number(2, "b")) == ("labels.txt", 3), "TENSOR_VALUE_LABELS"
    assert not any(tensor.place(6) for tensor in (outputs[0], *outputs[2:]))
