"""`archspec diff`: what it says of known pairs, and that its counts close."""

import json
from pathlib import Path

import pytest
from command import call
from networks import SPECS, spec, table

from archspec.diff import Difference, compare

V1 = SPECS / "mobilenet_v1.yaml"


def kinds(difference: Difference) -> dict[str, str]:
    return {row.name: row.kind for row in difference.rows}


def test_a_network_and_itself_are_the_same() -> None:
    difference = compare(spec("mobilenet_v2_hed"), spec("mobilenet_v2_hed"))
    assert set(kinds(difference).values()) == {"same"}
    assert (difference.carried, difference.only_before, difference.only_after) == (293_973, 0, 0)


def test_rows_added_removed_and_changed() -> None:
    before = table("Conv: {depth: 4, name: a}\nMaxPool\nConv: {depth: 8, name: b}\nConv: {depth: 8, name: c}")
    after = table("Conv: {depth: 4, name: a}\nConv: {depth: 8, name: b}\nConv: {depth: 6, name: c}\nFlatten: {name: f}")
    difference = compare(before, after)
    assert kinds(difference) == {"a": "same", "max_pool_1": "removed", "b": "changed", "c": "changed", "f": "added"}
    said = {row.name: row.what for row in difference.rows}
    assert said["b"].startswith("output 5×4×8 to 9×7×8")
    # a and b have the same weights; c's kernel and norm differ
    a, b, c, smaller = 3 * 9 * 4 + 16, 4 * 9 * 8 + 32, 8 * 9 * 8 + 32, 8 * 9 * 6 + 24
    assert (difference.carried, difference.only_before, difference.only_after) == (a + b, c, smaller)
    assert {row.name: row.carried for row in difference.rows} == {"a": a, "max_pool_1": 0, "b": b, "c": 0, "f": 0}
    assert difference.layers == ("a_conv", "a_conv_bn", "b_conv", "b_conv_bn")


@pytest.mark.parametrize(
    ("was", "now", "what"),
    [
        ("Conv: {depth: 4, name: a}", "Conv: {depth: 4, name: a, activation: relu6}", "without conv_relu"),
        ("Conv: {depth: 4, name: a}", "Conv: {depth: 4, name: a, epsilon: 0.1}", "conv_bn epsilon 0.001 to 0.1"),
        ("Conv: {depth: 4, name: a}", "Conv: {depth: 4, name: a, repeat: 2}", "repeat 1 to 2"),
        ("Conv: {depth: 4, name: a}", "Conv: {depth: 4, name: a, l2: 0.001}", "conv l2 0 to 0.001"),
        ("Conv: {depth: 4, name: a}", "Conv: {depth: 4, name: a, norm: false}", "conv bias false to true"),
    ],
)
def test_a_change_that_keeps_the_shape_is_named(was: str, now: str, what: str) -> None:
    (row,) = compare(table(was), table(now)).rows
    assert row.kind == "changed"
    assert what in row.what


def test_counts_close_over_every_pair_of_variants() -> None:
    names = (None, "w0.5", "r128", "keras")
    for one in names:
        for other in names:
            before, after = spec("mobilenet_v1", one), spec("mobilenet_v1", other)
            difference = compare(before, after)
            assert difference.carried + difference.only_before == before.cost.params
            assert difference.carried + difference.only_after == after.cost.params
            assert sum(row.carried for row in difference.rows) == difference.carried
            assert sum(row.before.macs for row in difference.rows if row.before) == before.cost.macs
            assert sum(row.after.macs for row in difference.rows if row.after) == after.cost.macs


def test_command(tmp_path: Path) -> None:
    answer = call("diff", V1, f"{V1}@r128")
    assert answer.code == 0
    assert "weights: 4,253,864 values carry over; 0 only before, 0 only after" in answer.out
    answer = call("diff", V1, f"{V1}@w0.5", "--json")
    weights = json.loads(answer.out)["weights"]
    assert weights == {"carried": 1000, "only_before": 4_252_864, "only_after": 1_341_536, "layers": []}
    answer = call("diff", V1, f"{V1}@nothing")
    assert (answer.code, answer.out) == (1, "")
    assert "unknown-variant" in answer.err
