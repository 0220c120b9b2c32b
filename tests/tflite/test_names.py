"""Names of tensors in a file."""

import pytest
from little_tflite import little, packed, tensor, unpacked

from archspec.tflite.compact import compact
from archspec.tflite.names import brief


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("image", "image"),
        ("net_1/c1_conv_1/BiasAdd;net_1/c1_conv_1/convolution;net_1/c1_conv_1/Squeeze", "net_1/c1_conv_1/BiasAdd"),
        ("n/r_1/Relu;n/c1_conv_1/BiasAdd;n/c1_conv_1/Add", "n/r_1/Relu;n/c1_conv_1/BiasAdd"),
        ("net_1/a_1/bn/add_1;net_1/a_1/bn/mul_1;net_1/b_1/Add", "net_1/a_1/bn/add_1;net_1/b_1/Add"),
        ("net_1/a;net_1/b", "net_1/a;net_1/b"),
        ("PartitionedCall:0", "PartitionedCall:0"),
    ],
)  # fmt: skip
def test_a_name_keeps_one_path_of_each_layer(name: str, short: str) -> None:
    assert brief(name) == short
    assert brief(short) == short


def test_a_compact_file_has_the_names_that_are_made() -> None:
    tensors = [tensor("n/a_1/Add;n/a_1/Mul", (2,)), tensor("n/b_1/Add;n/b_1/Mul", (2,))]
    data = packed(little(tensors, [("RELU", [0], [1])], [0], [1]))
    made = compact(data, brief)
    assert [t.name for t in unpacked(made).subgraphs[0].tensors] == [b"n/a_1/Add", b"n/b_1/Add"]
    assert len(made) < len(compact(data))
    kept = [t.name for t in unpacked(compact(data)).subgraphs[0].tensors]
    assert kept == [t.name.encode() for t in tensors]
