"""Work over several processes: the same answers in the same order, whatever dies."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from archspec import spread as module
from archspec.spread import spread


@pytest.mark.parametrize("count", [0, 1, 3, 9, 200])
def test_answers_come_in_order(count: int) -> None:
    assert spread(count, lambda i: {"square": i * i}) == [{"square": i * i} for i in range(count)]


def test_several_processes_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    forked: list[int] = []
    fork = module._fork

    def counted(queue: int, work: Callable[[int], Any]) -> tuple[int, int]:
        forked.append(0)
        return fork(queue, work)

    monkeypatch.setattr(module, "_fork", counted)
    assert spread(40, str) == [str(i) for i in range(40)]
    assert len(forked) == 2


def test_what_raises_is_none() -> None:
    assert spread(20, lambda i: 1 // (i % 2)) == [None if i % 2 == 0 else 1 for i in range(20)]


def test_a_process_that_dies_takes_only_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    parent = os.getpid()

    def work(i: int) -> Any:
        if os.getpid() != parent:
            os._exit(9)
        return i

    answers = spread(40, work)
    assert {i: a for i, a in enumerate(answers) if a is not None}.items() <= {i: i for i in range(40)}.items()
    assert answers.count(None) <= 1


def test_opencv_works_in_children_after_it_has_worked_here() -> None:
    """Its threads do not live on in a forked child, which would wait for them for ever."""
    cv2 = pytest.importorskip("cv2")
    picture = np.random.default_rng(0).random((600, 600)).astype(np.float32)

    def blurred(i: int) -> float:
        return float(cv2.resize(cv2.GaussianBlur(picture, (0, 0), 3 + i), (900, 900)).sum())

    threads, here = cv2.getNumThreads(), [blurred(i) for i in range(24)]
    for _ in range(5):
        assert spread(24, blurred) == pytest.approx(here, rel=1e-6)
    assert spread(24, lambda i: cv2.getNumThreads()) == [1] * 24
    assert cv2.getNumThreads() == threads
