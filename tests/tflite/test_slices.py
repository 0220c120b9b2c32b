"""Every op of a file as a file of its own: it answers what the whole gave there, to the bit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from little_tflite import little, packed, tensor, unpacked
from numpy.typing import NDArray

from archspec.artifact import ArtifactError, inspect_tflite
from archspec.tflite.slices import Slice, cut, tensors

ROWS = ["CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "HARD_SWISH", "TRANSPOSE_CONV", "ADD", "CONCATENATION", "CONV_2D"]


def photo(data: bytes) -> NDArray[Any]:
    """Noise as a file takes it."""
    (info,) = inspect_tflite(data).inputs
    random = np.random.default_rng(1)
    if info.dtype == "float32":
        return random.random(info.shape, np.float32)
    return random.integers(-128, 128, info.shape, np.int8)


def answer(one: Slice, given: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """What a slice answers by builtin kernels."""
    builtin = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    net = Interpreter(model_content=one.data, experimental_op_resolver_type=builtin)
    net.allocate_tensors()
    for detail, value in zip(net.get_input_details(), given, strict=True):
        net.set_tensor(detail["index"], value)
    net.invoke()
    return [net.get_tensor(detail["index"]) for detail in net.get_output_details()]


def wrong(data: bytes, slices: Sequence[Slice], shift: int = 0) -> list[str]:
    """The ops that answer something else than in the whole; `shift` is added to their inputs."""
    numbers = {number for one in slices for number in (*one.inputs, *one.outputs)}
    known = tensors(data, [photo(data)], numbers)
    found = []
    for one in slices:
        got = answer(one, [known[number] + known[number].dtype.type(shift) for number in one.inputs])
        if any(not np.array_equal(known[number], value) for number, value in zip(one.outputs, got, strict=True)):
            found.append(one.op)
    return found


@pytest.mark.parametrize("name", ["branches_float", "branches_half", "branches_int8"])
def test_each_op_answers_what_the_whole_gave(tflite: Path, name: str) -> None:
    data = (tflite / f"{name}.tflite").read_bytes()
    slices = cut(data)
    assert [one.op for one in slices] == ROWS
    assert wrong(data, slices) == []


def test_other_inputs_are_noticed(tflite: Path) -> None:
    data = (tflite / "branches_float.tflite").read_bytes()
    assert wrong(data, cut(data), shift=1) == ROWS


def test_the_whole_is_the_runtimes(tflite: Path) -> None:
    """Tensors of the whole are what the file answers by its signature."""
    data = (tflite / "branches_int8.tflite").read_bytes()
    last = cut(data)[-1]
    known = tensors(data, [photo(data)], last.outputs)
    builtin = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    run = Interpreter(model_content=data, experimental_op_resolver_type=builtin).get_signature_runner()
    assert np.array_equal(known[last.outputs[0]], run(image=photo(data))["lines"])
    assert len(np.unique(known[last.outputs[0]])) > 10


def test_names(tflite: Path) -> None:
    """Of outputs, by the signature where they leave the whole, and of constants that no other op reads."""
    slices = cut((tflite / "branches_float.tflite").read_bytes())
    assert slices[0].names == ("net/c1_conv/Relu;net/c1_conv/Conv2D",)
    assert slices[0].constants == ("net/c1_conv/Conv2D",)  # the bias of zeros is the depthwise convolution's too
    assert slices[1].names == ("c1_side",)
    assert slices[7].names == ("lines",)
    assert [len(one.inputs) for one in slices] == [1, 1, 1, 1, 1, 2, 2, 1]


def test_weights_in_half_precision_come_along(tflite: Path) -> None:
    """Ops that read constants alone have no slice, and stand in those of their readers."""
    data = (tflite / "branches_half.tflite").read_bytes()
    counts = {use.op: use.count for use in inspect_tflite(data).ops}
    assert counts["DEQUANTIZE"] == 8
    slices = cut(data)
    assert [one.index for one in slices] == list(range(8, 16))
    inside = [[use.op for use in inspect_tflite(one.data).ops] for one in slices]
    assert inside[0] == ["CONV_2D", "DEQUANTIZE"]
    assert inside[3] == ["HARD_SWISH"]


def test_slices_are_small(tflite: Path) -> None:
    """A slice holds its own weights, not those of the whole, at addresses that kernels like."""
    data = (tflite / "wide_dynamic.tflite").read_bytes()
    (one,) = cut(data)
    model = schema.Model.GetRootAs(one.data)
    start = np.frombuffer(one.data, np.uint8).__array_interface__["data"][0]
    held = [model.Buffers(i).DataAsNumpy() for i in range(model.BuffersLength())]
    weights = [buffer for buffer in held if isinstance(buffer, np.ndarray)]
    assert max(len(buffer) for buffer in weights) == 3 * 3 * 3 * 64
    assert {(buffer.__array_interface__["data"][0] - start) % 16 for buffer in weights} == {0}
    assert all(len(one.data) < 6000 for one in cut((tflite / "branches_float.tflite").read_bytes()))


def test_same_bytes(tflite: Path) -> None:
    data = (tflite / "branches_int8.tflite").read_bytes()
    assert cut(data) == cut(data)


def test_an_input_that_is_read_twice() -> None:
    parts = [tensor("x", [1, 4]), tensor("twice", [1, 4])]
    (one,) = cut(packed(little(parts, [("ADD", [0, 0], [1])], [0], [1])))
    assert (one.inputs, one.names, one.constants) == ((0,), ("twice",), ())
    x = np.array([[1, 2, 3, 4]], np.float32)
    assert answer(one, [x])[0].tolist() == [[2, 4, 6, 8]]


def test_chain_of_constants() -> None:
    """(a + b) * a is known beforehand; x is what is left to read."""
    stored = [np.array([[1, 2]], np.float32).tobytes(), np.array([[10, 20]], np.float32).tobytes()]
    parts = [tensor("x", [1, 2]), tensor("a", [1, 2], buffer=1), tensor("b", [1, 2], buffer=2)]
    parts += [tensor(name, [1, 2]) for name in ("sum", "product", "out")]
    steps = [("ADD", [1, 2], [3]), ("MUL", [3, 1], [4]), ("SUB", [0, 4], [5])]
    (one,) = cut(packed(little(parts, steps, [0], [5], constants=stored)))
    assert (one.index, one.op, one.inputs) == (2, "SUB", (0,))
    assert answer(one, [np.array([[100, 100]], np.float32)])[0].tolist() == [[100 - 11, 100 - 44]]


def test_files_that_cannot_be_cut(tflite: Path) -> None:
    loop = (tflite / "loop_float.tflite").read_bytes()
    with pytest.raises(ArtifactError, match="subgraphs; only one can be cut"):
        cut(loop)
    with pytest.raises(ArtifactError, match=r"not a \.tflite file"):
        cut(b"no such thing")
    data = (tflite / "branches_float.tflite").read_bytes()
    with pytest.raises(ArtifactError, match="broken or cut short"):
        cut(data[: len(data) // 2])
    kept = unpacked(data)
    kept.subgraphs[0].tensors[0].isVariable = True
    with pytest.raises(ArtifactError, match="keeps a state"):
        cut(packed(kept))
