"""Ops and rows by themselves on a made-up CPU that rounds elsewhere, whose every value is known."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tampered import CPU, Change, evaluate, install, inwards

from archspec.abi import AbiError, compare, opwise, rowwise
from archspec.abi.rowwise import Row, words
from archspec.artifact import inspect_tflite
from archspec.tflite.slices import cut

ROWS = ("c1", "c1_side", "c2", "up", "lines")  # of the net `branches` in make_tflite.py
FILE = "branches_int8.tflite"


def image(data: bytes) -> NDArray[Any]:
    (info,) = inspect_tflite(data).inputs
    return np.random.default_rng(3).integers(-128, 128, (1, *info.shape), np.int8)


def parts(tflite: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, Change]) -> opwise.Parts:
    install(monkeypatch, changes)
    data = (tflite / FILE).read_bytes()
    return opwise.take_apart(data, image(data), ROWS, folder)


def test_ops_of_the_same_kernels(tflite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = parts(tflite, tmp_path, monkeypatch, {})
    found = opwise.judged(made, opwise.by_itself(CPU, made), compare.OP)
    assert found == opwise.Ops(8, 0, None, None, (), ())
    assert found.good
    assert list(dict.fromkeys(made.rows)) == list(ROWS)
    rows = rowwise.by_row(CPU, made)
    assert [row.row for row in rows] == list(ROWS)
    assert all((row.entering, row.own, row.carried, row.leaving, row.gain) == (0, 0, 0, 0, None) for row in rows)
    assert words(rows) == ["no row leaves more than 1 LSB of distance"]


@pytest.mark.parametrize(("times", "good"), [(1, True), (2, False)])
def test_one_op_is_off(
    tflite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, good: bool
) -> None:  # fmt: skip
    made = parts(
        tflite, tmp_path, monkeypatch, {"c2_depthwise": inwards if times == 1 else lambda v: inwards(inwards(v))}
    )
    found = opwise.judged(made, opwise.by_itself(CPU, made), compare.OP)
    assert (found.max_lsb, found.farthest, found.good) == (times, "DEPTHWISE_CONV_2D of row c2", good)
    assert found.beyond == (() if good else ("DEPTHWISE_CONV_2D of row c2: 2 LSB",))


def test_op_that_fails(tflite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(value: NDArray[Any]) -> NDArray[Any]:
        raise AbiError("the process aborted (SIGSEGV)")

    made = parts(tflite, tmp_path, monkeypatch, {"up_add": crash})
    found = opwise.judged(made, opwise.by_itself(CPU, made), compare.OP)
    assert found.failed == ("ADD of row up: the process aborted (SIGSEGV)",)
    assert not found.good


def test_distance_from_row_to_row(tflite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row c1 is one step off everywhere; what comes of it is computed op by op, beside the sections."""
    changes = {"c1_conv": inwards}
    made = parts(tflite, tmp_path, monkeypatch, changes)
    rows = {row.row: row for row in rowwise.by_row(CPU, made)}
    clean, there = (evaluate(made.data, list(made.fed), one) for one in ({}, changes))

    def mean(row: str) -> float:
        (tensor,) = (one.outputs[0] for one in cut(made.data) if any(name.startswith(row) for name in one.names))
        return float(np.abs(there[tensor].astype(int) - clean[tensor].astype(int)).mean())

    assert rows["c1"] == Row("c1", 0, 1, 0, 1, 1, None, rows["c1"].onward)
    for name in ROWS[1:]:
        assert rows[name].own == 0
        assert rows[name].carried == rows[name].leaving > 0
    assert rows["c2"].entering == rows["c1_side"].entering == 1
    assert rows["c2"].gain == rows["c2"].leaving
    outputs = [np.abs(there[i].astype(int) - clean[i].astype(int)).ravel() for i in made.leaving]
    assert rows["c1"].onward == pytest.approx(np.concatenate(outputs).mean())
    assert rows["c1_side"].leaving == pytest.approx(mean("c1_side"))
    assert rows["lines"].leaving == pytest.approx(mean("lines"))
    assert rows["lines"].entering == pytest.approx((rows["c1_side"].leaving + rows["up"].leaving) / 2)


def test_own_rounding_is_told_from_what_enters(
    tflite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    made = parts(tflite, tmp_path, monkeypatch, {"c1_conv": inwards, "up_add": inwards})
    rows = {row.row: row for row in rowwise.by_row(CPU, made)}
    assert rows["up"].own == 1
    assert rows["up"].carried > 0
    alone = rowwise.by_row(CPU, parts(tflite, tmp_path, monkeypatch, {"c1_conv": inwards}))
    assert rows["c2"] == replace(next(one for one in alone if one.row == "c2"), onward=rows["c2"].onward)


def test_file_that_cannot_be_cut(tflite: Path, tmp_path: Path) -> None:
    data = (tflite / "loop_float.tflite").read_bytes()
    with pytest.raises(AbiError, match="cannot be run op by op here"):
        opwise.take_apart(data, np.zeros((1, 1, 32, 48, 3), np.float32), (), tmp_path)


def row(name: str, entering: float, leaving: float, most: int, gain: float | None) -> Row:
    return Row(name, entering, 0.01, leaving, leaving, most, gain, 2.0)


def test_words() -> None:
    said = words([row("c1", 0, 0.02, 1, None), row("c2", 0.02, 0.1, 2, 5), row("c3", 0.1, 0.3, 6, 3)])
    assert said == [
        "behind row `c2` the distance first exceeds 1 LSB: 2 at most, 0.1 on average",
        "row `c2` amplifies most, 5 times: 0.02 LSB enter it on average, 0.1 leave it, 0.01 of its own rounding",
    ]
