"""What release a file needs, against what the converter writes into the files that it makes."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from little_tflite import little, packed, tensor, unpacked

from archspec.artifact import ArtifactError
from archspec.tflite.releases import RELEASES
from archspec.tflite.runtimes import CUSTOM, FIRST, Needs, newer_than, newest_needed, parse_release

SHARED = ["coral/mobilenet_v1_0.25_128_quant.tflite", "coral/mobilenet_v2_1.0_224_quant.tflite",
          "coral/tf2_mobilenet_v2_1.0_224_ptq.tflite", "coral/deeplabv3_mnv2_dm05_pascal_quant.tflite"]  # fmt: skip
CONVERTED = ["edges_float", "edges_int8", "edges_border", "negative_int8", "classes_float", "classes_int8",
             "softmax_int8", "wide_dynamic", "loop_float", "twice_float"]  # fmt: skip


REFUSED = [("CAST", 7), ("DYNAMIC_UPDATE_SLICE", 2), ("STABLEHLO_AND", 1), ("STABLEHLO_CASE", 1), ("STABLEHLO_CBRT", 1),
           ("STABLEHLO_COMPOSITE", 1), ("STABLEHLO_SHIFT_LEFT", 1), ("TRANSPOSE", 7)]  # fmt: skip
"""What the library of 2.17.1 for armeabi-v7a says at them: "Didn't find op", or "builtin_code out of range"."""


def written(data: bytes) -> str:
    """What the converter wrote into a file: the release, filled up with zeros."""
    model = unpacked(data)
    (place,) = (entry.buffer for entry in model.metadata if entry.name == b"min_runtime_version")
    return bytes(model.buffers[place].data).rstrip(b"\0").decode()


def runs(op: str, version: int) -> bytes:
    tensors = [tensor("given", (1, 4)), tensor("net/c1_relu/Relu", (1, 4))]
    return packed(little(tensors, [(op, (0,), (1,))], (0,), (1,), version=version))


@pytest.mark.parametrize("name", CONVERTED)
def test_converted_file_says_the_same(name: str, tflite: Path) -> None:
    data = (tflite / f"{name}.tflite").read_bytes()
    assert newest_needed(data) == written(data)


def test_converted_files_need_different_releases(tflite: Path) -> None:
    assert len({written((tflite / f"{name}.tflite").read_bytes()) for name in CONVERTED}) > 2


@pytest.mark.parametrize("path", SHARED)
def test_released_file_says_the_same(path: str, shared: Callable[[str], Path]) -> None:
    data = shared(path).read_bytes()
    assert newest_needed(data) == written(data)
    assert newer_than(data, written(data)) == []
    assert newer_than(data, "1.4.9") != []


def test_op_and_tensor_are_named() -> None:
    needs = Needs("GELU", 2, "2.9.0", "net/c1_relu/Relu")
    assert newer_than(runs("GELU", 2), "2.8.4") == [needs]
    assert newer_than(runs("GELU", 2), "2.9.0") == []


def test_ops_of_all_graphs_are_named(tflite: Path) -> None:
    data = (tflite / "loop_float.tflite").read_bytes()
    used = [op for graph in unpacked(data).subgraphs for op in graph.operators]
    assert len(newer_than(data, "1.0.0")) == len(used)


def test_releases_compare_as_numbers() -> None:
    assert newer_than(runs("GELU", 1), "2.17.1") == []
    assert newer_than(runs("GELU", 1), "2.10") == []
    assert [needs.runtime for needs in newer_than(runs("DILATE", 1), "2.9.0")] == ["2.15.0"]


@pytest.mark.parametrize(
    ("op", "version"), [("GELU", 3), ("ADD", 99), ("BROADCAST_TO", 1), ("L2_POOL_2D", 2), ("Mine", 1)]
)
def test_what_is_not_known_is_said(op: str, version: int) -> None:
    assert newest_needed(runs(op, version)) is None
    assert newer_than(runs(op, version), "99.0.0") == [Needs(op, version, None, "net/c1_relu/Relu")]


@pytest.mark.parametrize(
    "text", ["", "2", "2.x.1", "2.17.1.0", "2.17.1-rc0", "v2.17.1", " 2.17.1", "2.17.1\n", "٢.١", "2." + "9" * 10]
)
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no release"):
        parse_release(text)


def test_broken_files_are_refused() -> None:
    for data in (os.urandom(50), b"", runs("ADD", 1)[:100]):
        with pytest.raises(ArtifactError):
            newest_needed(data)


# --- the table


def test_table_names_ops_of_the_format_once() -> None:
    names = [line.split()[0] for line in RELEASES.split("\n") if line]
    assert names == sorted(set(names))
    assert set(names) <= set(vars(schema.BuiltinOperator)) - {"CUSTOM"}


def registered(op: str, version: int) -> bool:
    """Whether LiteRT has a kernel for an op in a version."""
    try:
        Interpreter(
            model_content=runs(op, version),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
    except (RuntimeError, ValueError) as error:
        return "Didn't find op" not in str(error)
    return True


def test_table_is_what_the_runtime_has() -> None:
    """LiteRT has the versions of the table, and of the ops in it no others than those left out and newer ones.

    A custom op cannot be tried without its options; tests/tf/test_nms.py runs it.
    """
    for op in sorted({op for op, _ in FIRST.keys() - CUSTOM.keys()}):
        known = {version for name, version in FIRST if name == op}
        there = {version for version in range(1, 20) if registered(op, version)}
        left_out = {version for name, version in REFUSED if name == op}
        assert known <= there, op
        assert there - known - left_out <= {max(known) + 1}, op


def test_later_version_never_came_in_an_earlier_release() -> None:
    assert len(FIRST) == 418 + len(CUSTOM)
    for (op, version), release in FIRST.items():
        following = FIRST.get((op, version + 1))
        assert following is None or parse_release(release) <= parse_release(following), (op, version)


@pytest.mark.parametrize(("op", "version"), REFUSED)
def test_what_2_17_1_refuses_is_not_taken_for_old(op: str, version: int) -> None:
    assert [needs.runtime for needs in newer_than(runs(op, version), "2.17.1")] == [None]


def test_release_that_was_measured() -> None:
    # 2.14 refuses it and 2.17.1 has it
    assert [needs.runtime for needs in newer_than(runs("FULLY_CONNECTED", 12), "2.14.0")] == ["2.17.0"]
    assert newer_than(runs("FULLY_CONNECTED", 12), "2.17.1") == []
