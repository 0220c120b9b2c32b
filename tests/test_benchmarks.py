import io
import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command import ROOT, call, environment

from archspec.analysis import document, network
from archspec.diagnostics import Source
from archspec.documents import Settings, sample


@pytest.fixture(scope="module")
def bench() -> Any:
    """What benchmarks/run.py defines."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks" / "run.py"), run_name="benchmarks_run"))


@pytest.mark.parametrize(("value", "verdict"), [(1.49, "ok"), (1.5, "ok"), (1.51, "over")])
def test_verdict(bench: Any, value: float, verdict: str) -> None:
    assert bench.Figure("check", value, "×", 1.5, "").verdict == verdict


def test_best_takes_turns_and_keeps_the_least(bench: Any) -> None:
    turns = []

    def run(name: str, seconds: list[float]) -> Callable[[], float]:
        def timed() -> float:
            turns.append(name)
            return seconds.pop(0)

        return timed

    assert bench.best([run("a", [3, 1, 2]), run("b", [5, 6, 4])], 3) == [1, 4]
    assert turns == ["a", "b"] * 3


def test_process_gives_seconds_or_says_what_failed(bench: Any) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    idle = "import time; time.sleep(0.5)"
    assert bench.process("-c", busy)() > 0.3
    assert bench.process("-c", idle)() < 0.5 < bench.process("-c", idle, clock=True)()
    with pytest.raises(bench.BenchError, match="ended with code 3"):
        bench.process("-c", "raise SystemExit(3)")()


def test_bytecode_is_allowed(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    bench.process("-c", "import sys; sys.exit(sys.dont_write_bytecode)")()


def test_long_spec_has_its_rows_and_no_findings(bench: Any) -> None:
    one = network(document(bench.long_spec(40)))
    assert len(one.graph.rows) == 40
    assert bench.analysis(bench.long_spec(40))() < 1


def main(*arguments: str, code: str) -> subprocess.CompletedProcess[str]:
    """run.py as a process, its measurements replaced by `code`."""
    script = (
        f"import runpy, sys; sys.argv = ['run.py', {', '.join(map(repr, arguments))}]\n"
        f"made = runpy.run_path({str(ROOT / 'benchmarks' / 'run.py')!r})\n"
        f"Figure, BenchError = made['Figure'], made['BenchError']\n"
        f"def figures(quick):\n    {code}\n"
        f"made['main'].__globals__['figures'] = figures\nsys.exit(made['main']())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60
    )


def test_table_and_json() -> None:
    code = "return [Figure('one', 1.23456, '×', 1.5, '1 s / 2 s'), Figure('two', 20, 'ms', 15, str(quick))]"
    run = main("--quick", code=code)
    assert (run.returncode, run.stderr) == (0, "")
    lines = [line.split() for line in run.stdout.splitlines()]
    assert lines[2:] == [["one", "1.23", "×", "1.5", "×", "ok", "1", "s", "/", "2", "s"],
                         ["two", "20", "ms", "15", "ms", "over", "True"]]  # fmt: skip
    rows = json.loads(main("--json", code=code).stdout)
    assert [(r["name"], r["value"], r["bar"], r["verdict"]) for r in rows] == [
        ("one", 1.23456, 1.5, "ok"),
        ("two", 20, 15, "over"),
    ]


def test_what_breaks_is_an_error() -> None:
    run = main(code="raise BenchError('no luck')")
    assert (run.returncode, run.stdout, run.stderr) == (1, "", "error: no luck\n")


def test_the_spec_that_is_measured_is_there(bench: Any) -> None:
    assert call("check", bench.HED).code == 0


@pytest.fixture(scope="module")
def training() -> Any:
    """What benchmarks/training.py defines."""
    return SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks" / "training.py"), run_name="benchmarks_training"))


@pytest.mark.parametrize(("name", "sides"), [("vgg_hed", 0), ("mobilenet_v1_hed", 0.5)])
def test_the_recipe_that_is_timed_is_valid(
    training: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, sides: float
) -> None:
    monkeypatch.setitem(training.prepared.__globals__, "PICTURES", 2)
    spec = training.prepared(ROOT / "specs" / f"{name}.yaml", tmp_path)
    assert call("check", spec).code == 0
    train = network(document(Source(str(spec), spec.read_text()))).graph.head.train
    assert train is not None
    assert (train.batch, train.loss.sides, train.ema, train.clip_norm) == (training.BATCH, sides, None, None)
    images, edges = training.pictures(tmp_path)
    assert images.shape == (2, 256, 256, 3)
    assert set(edges.ravel()) == {0, 1}


def test_turns_time_some_steps_for_a_line(
    training: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("go\ngo\n"))
    turn = training.turns()
    told = []
    for _ in range(training.WARM + 2 * (training.SKIP + training.SPAN)):
        next(turn)
        told.append(capsys.readouterr().out)
    lines = [number for number, text in enumerate(told) if text]
    assert lines == [training.WARM + training.SKIP + training.SPAN]
    clock, processor = json.loads(told[lines[0]])
    assert 0 <= clock < 1
    assert 0 <= processor < 1


def test_a_first_step_is_seen_on_the_terminal(training: Any) -> None:
    said = "import sys, time; print(sys.stdout.isatty(), flush=True); time.sleep(60)"
    assert training.first_step([sys.executable, "-c", said], b"True") < 20
    with pytest.raises(RuntimeError, match="no luck"):
        training.first_step([sys.executable, "-c", "raise SystemExit('no luck')"], b"True")


def test_what_is_fitted_tells_right_quadrilaterals_from_wrong_ones_and_none() -> None:
    """Evidence that is made up: only its second figure counts, and photos without a document have little of it."""
    finder = SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks" / "finder.py"), run_name="benchmarks_finder"))
    random = np.random.default_rng(2)
    seen = []
    for number in range(120):
        document = number % 4 > 0
        known = np.column_stack([random.normal(size=(6, 6)), np.ones(6)])
        right = np.arange(6) == 3 if document else np.zeros(6, bool)
        known[:, 1] = np.where(right, 3, random.uniform(-3, 1, 6))
        seen.append((known, right, document))
    seen.append((np.zeros((0, 7)), np.zeros(0, bool), True))  # no quadrilateral at all
    weights = finder.fit(seen)
    assert int(np.argmax(np.abs(weights[:-1]))) == 1
    assert finder.shares([(one, weights) for one in seen], 0.5) == (90 / 91, 0, 0)
    assert finder.shares([(one, -weights) for one in seen], 0.0) == (0, 90 / 91, 1)


@pytest.mark.parametrize("moved", [(0.0, 0.0), (0.4, -0.7)])
def test_annotations_beside_the_edges_are_noticed(moved: tuple[float, float]) -> None:
    """Generated documents, whose corners are known: moved, and drawn larger, which is no shift."""
    path = ROOT / "benchmarks" / "annotations.py"
    beside = SimpleNamespace(**runpy.run_path(str(path), run_name="benchmarks_annotations"))
    calm = Settings(
        negatives=0, partial=0, low_contrast=0, curled=0, occluded=0, cluttered=0, shadowed=0, blurred=0
    )  # fmt: skip
    seen = []
    for seed in range(12):
        made = sample(seed, (256, 256), calm)
        assert made.corners is not None
        middle = made.corners.mean(axis=0)
        larger = middle + (made.corners - middle) * 1.004
        seen += list(beside.sides(made.image, larger + np.array(moved)))
    assert len(seen) > 30
    found, left = beside.shift(seen)
    np.testing.assert_allclose(found, -np.array(moved), atol=0.06)
    assert left < 0.15
