"""Curves of a run as SVG."""

import math
import re
from xml.etree import ElementTree

import pytest

from archspec.train.curves import POINTS, averaged, curves, powers, thinned, ticks

SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str) -> tuple[list[str], list[list[tuple[float, float]]]]:
    """The texts of a document, and the points of its lines that are no grid."""
    root = ElementTree.fromstring(svg)
    texts = [element.text or "" for element in root.iter(f"{SVG}text")]
    paths = [e.get("d") or "" for e in root.iter(f"{SVG}path") if e.get("fill") == "none"]
    return texts, [[(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.-]+) ([\d.-]+)", d)] for d in paths]


def test_a_run_is_drawn_with_its_measures() -> None:
    steps = [(i, 1 / i, 0.1 if i < 50 else 0.01) for i in range(1, 101)]
    measures = [(i, name, value) for i in (50, 100) for name, value in (("ods", i / 200), ("a<b", 0.25))]
    texts, lines = drawn(curves("a & b", steps, measures))
    assert {"a & b", "loss", "measures", "learning rate", "each step", "ods 0.5", "a<b 0.25"} <= set(texts)
    loss, _, ods, flat, rate = lines
    assert len(loss) == 100
    assert [y for _, y in loss] == sorted(y for _, y in loss)  # down the page
    assert ods[0][1] > ods[1][1]
    assert flat[0][1] == flat[1][1]
    assert len({y for _, y in rate}) == 2
    # a hundredfold fall is logarithmic: from 1 to 0.1 as far as from 0.1 to 0.01
    assert loss[9][1] - loss[0][1] == pytest.approx(loss[99][1] - loss[9][1], abs=0.2)


def test_lines_stay_within_the_frame() -> None:
    steps = [(i, math.sin(i) * 3 - 5, 1e-3) for i in range(1, 2000)]
    svg = curves("m", steps, [])
    width, height = (float(ElementTree.fromstring(svg).get(key) or 0) for key in ("width", "height"))
    for line in drawn(svg)[1]:
        assert len(line) <= POINTS
        assert all(0 <= x <= width and 0 <= y <= height for x, y in line)


@pytest.mark.parametrize("steps", [[], [(1, 0.5, 0.1)], [(1, 0.0, 0.0), (2, 0.0, 0.0)], [(1, math.inf, 0.1)]])
def test_hardly_anything_is_drawn_too(steps: list[tuple[int, float, float]]) -> None:
    ElementTree.fromstring(curves("m", steps, []))


def test_ends_of_names_do_not_overlap() -> None:
    measures = [(i, name, 0.5) for i in (1, 2) for name in ("a", "b", "c")]
    root = ElementTree.fromstring(curves("m", [(1, 1, 1), (2, 1, 1)], measures))
    places = [float(e.get("y") or 0) for e in root.iter(f"{SVG}text") if (e.text or "").endswith(" 0.5")]
    assert len(places) == 3
    assert min(b - a for a, b in zip(sorted(places), sorted(places)[1:], strict=False)) >= 14


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 3000, [0, 1000, 2000, 3000]), (0.31, 0.34, [0.31, 0.32, 0.33, 0.34]),
     (-3, 2, [-3, -2, -1, 0, 1, 2]), (2, 2, [2])],
)  # fmt: skip
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_powers() -> None:
    assert powers(math.log10(0.3), math.log10(6)) == pytest.approx([0.5, 1, 2, 5])
    assert powers(-3, 2) == pytest.approx([0.001, 0.01, 0.1, 1, 10, 100])


def test_an_average_is_unbiased_and_thinning_keeps_the_mean() -> None:
    assert [v for _, v in averaged([(i, 2.0) for i in range(500)])] == pytest.approx([2.0] * 500)
    points = [(float(i), float(i * i)) for i in range(1, 1201)]
    few = thinned(points)
    assert len(few) == POINTS
    assert few[0] == (1.5, 2.5)
    assert thinned(points[:3]) == points[:3]
