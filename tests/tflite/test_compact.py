"""The same model in fewer bytes: to the last field, and to the last bit of its answers."""

import io
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from little_tflite import little, packed, quantized, tensor, unpacked

from archspec.artifact import ArtifactError
from archspec.tflite.compact import compact

KERNELS = (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.BUILTIN_REF)
SHARED = {  # file -> the share of its bytes that must be enough; only the last one is quantized by channel
    "coral/mobilenet_v1_0.25_128_quant.tflite": 0.996,
    "coral/tf2_mobilenet_v2_1.0_224_ptq.tflite": 0.94,
}
CONVERTED = ["edges_float", "edges_int8", "edges_border", "classes_int8", "softmax_int8", "wide_dynamic", "loop_float",
             "twice_float"]  # fmt: skip


def fields(part: Any) -> Any:
    """All that an object of the schema holds, as values that compare by their bytes."""
    if isinstance(part, np.ndarray):
        return (part.dtype.str, part.tobytes())
    if isinstance(part, list):
        return [fields(one) for one in part]
    if hasattr(part, "__dict__"):
        return (type(part).__name__, {name: fields(value) for name, value in vars(part).items()})
    return repr(part)


def assert_same_model(old: bytes, new: bytes) -> None:
    assert fields(unpacked(new)) == fields(unpacked(old))


def assert_same_answers(old: bytes, new: bytes) -> None:
    for kernels in KERNELS:
        got = answers(new, kernels)
        for a, b in zip(answers(old, kernels), got, strict=True):
            assert a.tobytes() == b.tobytes(), kernels


def answers(data: bytes, kernels: Any) -> list[Any]:
    """The runtime checks a file by the verifier of flatbuffers before it runs it."""
    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=kernels, num_threads=1)
    interpreter.allocate_tensors()
    for taken in interpreter.get_input_details():
        noise = np.random.default_rng(0).uniform(0, 1, taken["shape"])
        interpreter.set_tensor(
            taken["index"], (noise if taken["dtype"] == np.float32 else noise * 127).astype(taken["dtype"])
        )
    interpreter.invoke()
    return [interpreter.get_tensor(made["index"]) for made in interpreter.get_output_details()]


def places(data: bytes) -> list[int]:
    """Where the values of each buffer begin."""
    model = schema.Model.GetRootAs(data)
    tables = [model.Buffers(i)._tab for i in range(model.BuffersLength())]
    return [table.Vector(table.Offset(4)) for table in tables if table.Offset(4)]


def two_convs() -> Any:
    """Two convolutions of 64 channels by different weights, with their scales and zero points; biases have theirs."""
    rng = np.random.default_rng(0)
    weights = [rng.integers(-127, 128, (64, 1, 1, 64), np.int8) for _ in range(2)]
    tensors = [tensor("given", (1, 8, 8, 64), "INT8", quantization=quantized([0.5], [3]))]
    steps = []
    for i in range(2):
        scale = np.float32(0.01) * (1 + rng.random(64, np.float32))
        by_channel = quantized(scale, [0] * 64)
        tensors += [
            tensor(f"net/c{i}/weights", (64, 1, 1, 64), "INT8", buffer=1 + 2 * i, quantization=by_channel),
            tensor(
                f"net/c{i}/bias", (64,), "INT32", buffer=2, quantization=quantized(scale * np.float32(0.5), [0] * 64)
            ),
            tensor(f"net/c{i}", (1, 8, 8, 64), "INT8", quantization=quantized([0.5], [3])),
        ]
        steps.append(("CONV_2D", (3 * i, 3 * i + 1, 3 * i + 2), (3 * i + 3,)))
    bias = rng.integers(-500, 500, 64, np.int32)
    model = little(
        tensors, steps, (0,), (6,), constants=[weights[0].tobytes(), bias.tobytes(), weights[1].tobytes()], version=3
    )
    for step in model.subgraphs[0].operators:
        step.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
        step.builtinOptions = schema.Conv2DOptionsT(strideW=1, strideH=1)
    return model


@pytest.mark.parametrize("path", SHARED)
def test_released_files(path: str, shared: Callable[[str], Path]) -> None:
    data = shared(path).read_bytes()
    made = compact(data)
    assert len(made) <= SHARED[path] * len(data)
    assert compact(made) == made
    assert_same_model(data, made)
    assert_same_answers(data, made)


@pytest.mark.parametrize("name", CONVERTED)
def test_converted_files(name: str, tflite: Path) -> None:
    data = (tflite / f"{name}.tflite").read_bytes()
    made = compact(data)
    assert len(made) <= len(data)
    assert compact(made) == made
    assert_same_model(data, made)
    assert_same_answers(data, made)


def test_equal_parts_are_stored_once() -> None:
    data = packed(two_convs())
    made = compact(data)
    assert_same_model(data, made)
    assert_same_answers(data, made)
    tensors = [schema.Model.GetRootAs(made).Subgraphs(0).Tensors(i) for i in range(7)]
    by_channel = [tensors[i].Quantization()._tab for i in (1, 2, 4, 5)]
    assert len({table.Vector(table.Offset(10)) for table in by_channel}) == 1, "zero points"
    assert len({table.Vector(table.Offset(8)) for table in by_channel}) == 4, "scales differ"
    assert len({tensors[i].Quantization()._tab.Pos for i in (0, 3, 6)}) == 1, "tables"
    options = [schema.Model.GetRootAs(made).Subgraphs(0).Operators(i).BuiltinOptions().Pos for i in range(2)]
    assert len(set(options)) == 1
    # values: two kernels, a bias, four vectors of scales, one of zero points; the rest is a tenth of that
    values = 2 * 64 * 64 + 4 * 64 + 4 * 4 * 64 + 8 * 64
    assert values < len(made) < 1.1 * values < len(data)


def test_result_depends_on_the_model_alone() -> None:
    """Not on how, and in what order, the parts of the file were laid out."""
    made = compact(packed(two_convs()))
    assert compact(packed(unpacked(made))) == made


def test_file_in_which_nothing_repeats_comes_back() -> None:
    data = packed(little([tensor("t", (1, 3))], [], (0,), (0,)))
    assert len(compact(data)) <= len(data)
    assert_same_model(data, compact(data))


def test_buffers_are_aligned(shared: Callable[[str], Path]) -> None:
    for data in (shared("coral/tf2_mobilenet_v2_1.0_224_ptq.tflite").read_bytes(), packed(two_convs())):
        found = places(compact(data))
        assert found
        assert {place % 16 for place in found} == {0}
    assert {place % 16 for place in places(packed(two_convs()))} != {0}, "the schema's own writer does not align them"


def test_values_that_compare_equal_but_differ_are_kept_apart() -> None:
    steps = [("SOFTMAX", (0,), (1,)), ("SOFTMAX", (1,), (2,)), ("SOFTMAX", (2,), (3,)), ("SOFTMAX", (3,), (4,))]
    model = little([tensor(f"t{i}", (1, 4)) for i in range(5)], steps, (0,), (4,))
    for step, beta in zip(model.subgraphs[0].operators, (1.0, 1.0, float("nan"), 2.0), strict=True):
        step.builtinOptions.beta = beta
    model.subgraphs[0].tensors[1].quantization = quantized([0.0, 0.0], [0])
    model.subgraphs[0].tensors[2].quantization = quantized([0.0, -0.0], [0])
    data = packed(model)
    assert_same_model(data, compact(data))


def test_names_signatures_and_metadata_are_kept(tflite: Path) -> None:
    data = (tflite / "edges_int8.tflite").read_bytes()
    old, new = unpacked(data), unpacked(compact(data))
    assert [t.name for t in new.subgraphs[0].tensors] == [t.name for t in old.subgraphs[0].tensors]
    assert [m.name for m in new.metadata] == [m.name for m in old.metadata] != []
    runner = Interpreter(model_content=compact(data)).get_signature_runner()
    assert set(runner.get_output_details()) == {"fuse", "side"}


# --- archives


def test_labels_behind_the_tables_are_kept(shared: Callable[[str], Path]) -> None:
    data = shared("coral/mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(io.BytesIO(compact(data))) as new:
        assert new.namelist() == old.namelist() == ["imagenet_labels.txt"]
        assert new.read("imagenet_labels.txt") == old.read("imagenet_labels.txt")
        assert new.testzip() is None
        assert compact(data)[new.infolist()[0].header_offset :][:4] == b"PK\3\4"


def test_archive_is_kept_with_all_it_says() -> None:
    file = io.BytesIO(packed(two_convs()))
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"labels"
        archive.writestr("labels.txt", "cat\ndog\n" * 50, zipfile.ZIP_DEFLATED)
        archive.writestr("empty", "")
    made = compact(file.getvalue())
    assert compact(made) == made
    assert_same_model(file.getvalue(), made)
    with zipfile.ZipFile(io.BytesIO(file.getvalue())) as old, zipfile.ZipFile(io.BytesIO(made)) as new:
        assert new.comment == b"labels"
        assert new.read("labels.txt") == b"cat\ndog\n" * 50
        for a, b in zip(old.infolist(), new.infolist(), strict=True):
            assert (a.filename, a.date_time, a.compress_type, a.CRC) == (
                b.filename,
                b.date_time,
                b.compress_type,
                b.CRC,
            )


def test_archive_in_a_buffer_is_no_archive_behind_the_tables() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("labels.txt", "cat")
    model = two_convs()
    model.buffers.append(schema.BufferT(data=np.frombuffer(file.getvalue(), np.uint8)))
    data = packed(model)
    assert compact(data).count(b"labels.txt") == data.count(b"labels.txt") == 2
    assert_same_model(data, compact(data))


def test_broken_archive_is_refused() -> None:
    file = io.BytesIO(packed(two_convs()))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("labels.txt", "cat" * 1000, zipfile.ZIP_DEFLATED)
        start = archive.infolist()[0].header_offset
    data = bytearray(file.getvalue())
    data[start + 40 : start + 50] = b"\xff" * 10
    with pytest.raises(ArtifactError, match="archive"):
        compact(bytes(data))


# --- files that are refused


def test_buffers_outside_of_the_tables_are_refused() -> None:
    model = two_convs()
    model.buffers[1] = schema.BufferT(offset=5000, size=64)
    with pytest.raises(ArtifactError, match="outside"):
        compact(packed(model))


def test_what_is_no_file_is_refused() -> None:
    for data in (b"", b"TFL3", os.urandom(200), b"\0\0\0\0TFL3", packed(two_convs())[:300]):
        with pytest.raises(ArtifactError):
            compact(data)


def test_damaged_files_are_refused_or_stay_the_same(mutants: int) -> None:
    whole, chance = packed(two_convs()), random.Random(0)
    for _ in range(mutants // 10):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            made = compact(bytes(data))
        except ArtifactError:
            continue
        assert_same_model(bytes(data), made)


# --- the helpers


def test_another_model_is_noticed() -> None:
    other = two_convs()
    other.subgraphs[0].tensors[2].quantization.scale[5] *= np.float32(1.001)
    with pytest.raises(AssertionError):
        assert_same_model(packed(two_convs()), packed(other))
    assert fields(0.0) != fields(-0.0)


def test_another_answer_is_noticed() -> None:
    other = two_convs()
    other.buffers[3].data = other.buffers[1].data
    with pytest.raises(AssertionError):
        assert_same_answers(packed(two_convs()), packed(other))
