"""`archspec profile` without an emulator: rows, sums and shares, tables, crashes, and times on this machine."""

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.abi import AbiError, count, lines, shares
from archspec.abi.count import Instructions, Work
from archspec.abi.cpus import CPUS
from archspec.abi.profile import Column, Op, Profile, Times, image
from archspec.abi.rows import NONE, layer_of, row_of
from archspec.abi.shares import Share
from archspec.artifact import TensorInfo

ROWS = ["c1", "c1_side", "c2", "up", "lines"]
CONTRACT = {"size": [32, 48, 3], "range": [0, 1], "mean": None, "std": None, "color": "rgb", "resize": "stretch"}


# --- rows


@pytest.mark.parametrize(
    ("names", "constants", "row"),
    [
        (["net_1/c1_conv_relu_1/Relu;net_1/c1_conv_1/convolution"], [], "c1"),
        (["net/c1/Relu"], [], "c1"),
        (["net_1/c1_side_conv_1/Add"], [], "c1_side"),  # the longest row that fits
        (["c1_side"], [], "c1_side"),  # an output has the row's name
        (["net/c1.3_conv/Conv2D"], [], "c1"),
        (["net/c12_conv/Conv2D"], [], NONE),
        (["tfl.quantize"], [], NONE),
        (["PartitionedCall:1"], ["arith.constant", "net/c2_conv/Conv2D"], "c2"),
        (["net/up_add/add"], ["net/c2_conv/Conv2D"], "up"),  # outputs first
        (["net/c2_bn/add;net/up_bn/add;net/c1_conv/Conv2D"], [], "up"),  # the last of the table
    ],
)
def test_row_of(names: Sequence[str], constants: Sequence[str], row: str) -> None:
    assert row_of(names, constants, ROWS) == row


def test_layer_of_a_file_without_a_manifest() -> None:
    assert layer_of(["net_1/c1_conv_relu_1/Relu;net_1/c1_conv_1/convolution"]) == "c1_conv_relu_1"
    assert layer_of(["logits"]) == "logits"


# --- inputs


def test_input_is_a_photo_where_it_can_be() -> None:
    photo = image(TensorInfo("image", (1, 32, 48, 3), "int8", 1 / 255, -128), None, 0)
    assert photo.shape == (1, 32, 48, 3)
    assert photo.dtype == np.int8
    edges = np.abs(np.diff(photo.astype(int), axis=2)).mean()
    noise = image(TensorInfo("x", (1, 32, 48, 5), "int8", 1 / 255, -128), None, 0)
    assert noise.shape == (1, 32, 48, 5)
    assert edges < np.abs(np.diff(noise.astype(int), axis=2)).mean() / 2  # neighbours in a photo are alike
    assert (noise.min(), noise.max()) == (-128, 127)
    flat = image(TensorInfo("x", (1, 7), "float32", None, None), None, 0)
    assert flat.shape == (1, 7)
    assert flat.dtype == np.float32
    assert 0 <= flat.min() < flat.max() <= 1


def test_input_by_a_contract() -> None:
    info = TensorInfo("image", (1, 32, 48, 3), "float32", None, None)
    wide = image(info, {**CONTRACT, "range": [-100, 100]}, 0)
    np.testing.assert_allclose(wide, 200 * image(info, CONTRACT, 0) - 100, atol=1e-3)
    with pytest.raises(AbiError, match="the manifest's input is none"):
        image(info, {"size": [32, 48, 3]}, 0)


# --- sums and shares

OPS = (Op(0, "CONV_2D", "c1"), Op(2, "ADD", "c2"), Op(3, "CONV_2D", "c2"), Op(5, "RELU", NONE))
COUNTS = tuple(
    Instructions(*(10**6 * n for n in each)) for each in ((1, 2, 3, 4), (0, 5, 0, 5), (10, 20, 10, 20), (5,) * 4)
)
TIMES = tuple(Times(ms, (("Delegate/X", ms),)) for ms in (4.0, 2.0, 1.0, 1.0))
MADE = Profile("f", "0", ("c1", "c2"), OPS, (
    Column("armeabi-v7a", "cortex-a7", "builtin", Instructions(10**7, 10**7, 0, 6 * 10**7), COUNTS),
    Column("x86_64", "x86_64", "XNNPACK", Times(10.0, ()), TIMES),
))  # fmt: skip


def test_groups() -> None:
    groups = {group.name: group for group in shares.grouped(MADE, "op")}
    assert list(groups) == ["CONV_2D", "RELU", "ADD"]  # by what they cost on the first CPU
    conv = groups["CONV_2D"].shares
    assert conv == (Share(70.0, 0.7, Instructions(*(10**6 * n for n in (11, 22, 13, 24)))), Share(5.0, 0.625, None))
    assert [group.name for group in shares.grouped(MADE, "row")] == ["c1", "c2", NONE]
    assert [group.ops for group in shares.grouped(MADE, "node")] == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize("by", list(shares.BY))
def test_groups_add_up(by: str) -> None:
    for i, column in enumerate(MADE.columns):
        parts = [group.shares[i] for group in shares.grouped(MADE, by)]
        assert sum(part.amount for part in parts if part) == pytest.approx(column.total)
        assert sum(part.share for part in parts if part) == pytest.approx(1)
    total = shares.share(MADE.columns[0])
    assert total is not None
    assert total.classes == Instructions(*np.sum([astuple(one) for one in COUNTS], axis=0))


def test_a_failed_op_has_no_share() -> None:
    failed = Column("arm64-v8a", "cortex-a53", "XNNPACK", "aborted", (*COUNTS[:3], "aborted"))
    groups = shares.grouped(Profile("f", "0", (), OPS, (failed,)), "op")
    assert [(group.name, group.shares[0] is None) for group in groups] == [
        ("CONV_2D", False), ("ADD", False), ("RELU", True),
    ]  # fmt: skip
    assert "the whole, or an op, fails" in lines.text(Profile("f", "0", (), OPS, (failed,)), groups, "op")


TEXT = """\
row  ops  cortex-a7 M    share  simd  memory  branch  x86_64 ms    share
---  ---  -----------  -------  ----  ------  ------  ---------  -------
c1     1        10.00   10.0 %  10 %    20 %    30 %       4.00   50.0 %
c2     2        70.00   70.0 %  14 %    36 %    14 %       3.00   37.5 %
-      1        20.00   20.0 %  25 %    25 %    25 %       1.00   12.5 %
---  ---  -----------  -------  ----  ------  ------  ---------  -------
sum    4       100.00  100.0 %  16 %    32 %    18 %       8.00  100.0 %

cortex-a7, builtin kernels: the whole takes 80.00 M instructions; its ops by themselves 25.0 % more
x86_64, XNNPACK kernels: the whole takes 10.00 ms by a median, and noisy; its ops by themselves 20.0 % less"""


def test_text() -> None:
    assert lines.text(MADE, shares.grouped(MADE, "row"), "row") == TEXT
    assert "#  op       row  cortex-a7 M" in lines.text(MADE, shares.grouped(MADE, "node"), "node")


# --- counting, by a made-up emulator

WORKS = [Work(Path(f"/{name}.tflite"), Path(f"/{name}.in")) for name in ("a", "b", "c")]


def emulator(broken: str) -> Any:
    """Stands in for a run: two lines of counts for each file up to the broken one, which has begun its first."""

    def execute(command: Sequence[str], folder: Path) -> tuple[str, str | None]:
        words = list(command)
        plugin = words[words.index("-plugin") + 1].replace(",,", ",")
        files = words[words.index("/c/runtimes/armeabi-v7a.so") + 1 :]
        assert files[2::3] == ["/dev/null"] * (len(files) // 3)
        said, counts, how = "", "", None
        for model in files[::3]:
            said += f"model {model}\n"
            number = ord(Path(model).stem) * 10
            counts += f"{number} 1 1 1\n"
            if Path(model).stem in broken:
                how = "the process aborted (SIGILL)"
                break
            counts += f"{number + 1} 1 1 1\n"
        Path(plugin.partition(",out=")[2]).write_text(counts)
        return said, how

    return execute


@pytest.mark.parametrize("broken", ["", "a", "b", "c", "abc"])
def test_count(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setattr(count, "execute", emulator(broken))
    got = count.count(CPUS["cortex-a7"], Path("/c"), WORKS)
    fine = {name: Instructions(ord(name) * 10 + 1, 1, 1, 1) for name in "abc"}
    assert got == ["the process aborted (SIGILL)" if name in broken else fine[name] for name in "abc"]


def test_emulator_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count, "execute", lambda *_: ("", "the process ended with code 1: no such plugin"))
    with pytest.raises(AbiError, match="cortex-a7: the process ended with code 1: no such plugin"):
        count.count(CPUS["cortex-a7"], Path("/c"), WORKS)
    monkeypatch.setattr(count, "execute", lambda *_: ("", None))
    with pytest.raises((AbiError, OSError)):
        count.count(CPUS["cortex-a7"], Path("/c"), WORKS)
