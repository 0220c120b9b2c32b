"""The worker's process, with small scripts in the place of TensorFlow."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from archspec import process
from archspec.jobs import BuildJob, Conversion, Event, ImportJob, Network, decode, encode
from archspec.process import Ended, JobError, answer, in_words, tail, worker

LARGE = 1 << 20  # more than a pipe holds
JOB = ImportJob(Network("x.yaml", "model: x\n" * LARGE, None, ("mine",)), "a.h5", "b.weights.h5", ("x=y",))
ALIVE = 600  # seconds that a script sleeps which is to be killed


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, which every test must leave empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def run(script: str, monkeypatch: pytest.MonkeyPatch) -> list[Event | Ended]:
    monkeypatch.setattr(process, "START", script)
    with worker(JOB) as told:
        return list(told)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_jobs_survive_the_way() -> None:
    assert decode(encode(JOB)) == JOB
    conversion = Conversion(
        "0.tflite", "int8", "int8", "small", ("arm64-v8a", "armeabi-v7a"), "0.npy", "plain", ("a",), ("b",), ("c",)
    )
    network = Network("x.yaml", "ü", None, (), ("a", "b"), ("input.size=64",), True)
    job = BuildJob(network, (conversion,), "/tmp/x", None, True)
    assert decode(encode(job).encode()) == job


def test_the_job_arrives_and_the_answers_come_in_order(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    script = (
        "import sys, json; data = sys.stdin.buffer.read(); "
        "print(json.dumps({'event': 'one', 'bytes': len(data)})); print(json.dumps({'event': 'two'}))"
    )
    assert run(script, monkeypatch) == [
        {"event": "one", "bytes": len(encode(JOB))},
        {"event": "two"},
        Ended(None, ""),
    ]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ("import os; os._exit(3)", "the process ended with code 3"),
        ("import os; os.abort()", "the process aborted (SIGABRT)"),
        ("import os; os.kill(os.getpid(), 9)", "the process was killed (SIGKILL), perhaps for want of memory"),
        ("import os; os.close(0); os.close(1); raise SystemExit(4)", "the process ended with code 4"),
    ],
)
def test_a_worker_that_dies_before_it_reads_its_job(script: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(script, monkeypatch) == [Ended(how, "")]
    with pytest.raises(JobError, match=f"^{how.replace('(', '.').replace(')', '.')}$"):
        answer(JOB)


def test_a_worker_that_ends_well_without_an_answer_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START", "")
    with pytest.raises(JobError, match=r"^the process ended without an answer$"):
        answer(JOB)


def test_junk_among_the_answers_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import sys; out = sys.stdout.buffer; "
        r"out.write(b'hello\n\xff\xfe\x00\n[1]\n7\n{}\n{\"event\"\nnull\n{\"event\": \"made\"}\nno newline')"
    )
    assert run(script, monkeypatch) == [{"event": "made"}, Ended(None, "")]
    assert answer(JOB) == {"event": "made"}


def test_refusals_stand_as_they_are_and_failures_are_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = "E: in user code:\n" + "page\n" * 50 + "the point"
    for event, said in (("refused", pages), ("failed", "the point")):
        told = json.dumps({"event": event, "key": "", "reason": pages})
        monkeypatch.setattr(process, "START", f"print({told!r})")
        with pytest.raises(JobError) as caught:
            answer(JOB)
        assert str(caught.value) == said


def test_the_log_is_kept_apart_and_its_end_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = (
        "import sys; sys.stderr.write('noise\\n' * 100_000 + 'Fatal: the point\\nI0000 00:00 chatter\\n'); "
        "raise SystemExit(1)"
    )
    (ended,) = run(script, monkeypatch)
    assert isinstance(ended, Ended)
    assert len(ended.log) == process.LOG_TAIL
    assert process.because(ended) == "the process ended with code 1: Fatal: the point"
    assert capfd.readouterr() == ("", "")


def test_leaving_early_kills_the_worker(monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    monkeypatch.setattr(
        process,
        "START",
        "import json, os, time; print(json.dumps({'event': 'at', 'pid': os.getpid()}), flush=True); "
        f"time.sleep({ALIVE})",
    )
    start = time.monotonic()
    pid = 0
    with pytest.raises(KeyboardInterrupt), worker(JOB) as told:  # noqa: PT012  the interrupt comes amid the events
        for event in told:
            assert not isinstance(event, Ended)
            pid = event["pid"]
            assert exists(pid)
            raise KeyboardInterrupt
    assert pid
    assert not exists(pid)
    assert time.monotonic() - start < ALIVE / 10
    assert list(scratch.iterdir()) == []


def test_the_worker_imports_what_this_process_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing of the current folder, unless this process does: a file `json.py` there is no part of Python."""
    (tmp_path / "json.py").write_text("raise RuntimeError('taken for the standard library')")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own_blocks.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("mine")
    monkeypatch.setenv("PYTHONPATH", "")
    script = (
        process.START.partition("from archspec")[0] + "import json, own_blocks; print(json.dumps({'event': sys.path}))"
    )
    told = run(script, monkeypatch)
    assert told[0] == {"event": [os.path.abspath(folder) for folder in sys.path]}, told


def test_the_users_own_settings_of_keras_and_tensorflow_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"KERAS_BACKEND": "jax", "TF_USE_LEGACY_KERAS": "1", "CUDA_VISIBLE_DEVICES": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MY_OWN", "stays")
    told = run("import json, os; print(json.dumps({'event': dict(os.environ)}))", monkeypatch)
    assert not isinstance(told[0], Ended)
    environment = told[0]["event"]
    assert environment["KERAS_BACKEND"] == "tensorflow"
    assert "TF_USE_LEGACY_KERAS" not in environment
    assert environment["CUDA_VISIBLE_DEVICES"] == "-1"
    assert environment["MY_OWN"] == "stays"
    assert environment["KERAS_HOME"] == environment["TMPDIR"]
    assert not Path(environment["TMPDIR"]).exists(), "a folder of the worker's own, and gone with it"


def test_training_asks_for_large_pages_unless_the_user_tunes_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    assert process.environment("x", training=True)["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=1"
    assert "GLIBC_TUNABLES" not in process.environment("x", training=False)
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1")
    assert process.environment("x", training=True)["GLIBC_TUNABLES"] == "glibc.malloc.arena_max=1"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, None),
        (2, "the process ended with code 2"),
        (-signal.SIGSEGV, "the process aborted (SIGSEGV)"),
        (-40, "the process aborted (signal 40)"),
    ],
)
def test_exit_codes_in_words(code: int, words: str | None) -> None:
    assert in_words(code) == words


def test_tail_starts_where_asked(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"before\nafter \xff\n")
    with (tmp_path / "log").open("rb") as log:
        assert tail(log.fileno(), 7) == "after �\n"
        assert tail(log.fileno(), 0) == "before\nafter �\n"
        assert log.tell() == 0


def test_the_real_worker_takes_no_notice_of_an_interrupt() -> None:
    """Ctrl-C reaches the whole group of processes; the caller alone decides what becomes of the worker."""
    code = (
        "import os, signal, sys; from archspec.tf import worker; worker._import = lambda job: "
        "os.kill(os.getpid(), signal.SIGINT) or {'report': 'alive'}; worker.main()"
    )
    made = subprocess.run(
        [sys.executable, "-c", code],
        input=encode(ImportJob(Network("x.yaml", "", None), "a", "b", ())),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[1],
    )
    assert [json.loads(line)["event"] for line in made.stdout.splitlines()] == ["started", "made"], made.stderr
