"""How fast a network trains by its recipe, against Keras's `fit` written by hand. JSON on one line.

training.py SPEC: a run of the spec's network by `archspec train`'s own machinery; the same step on batches that are in
memory already; and `fit` with the same loss, optimizer and batch on the same pictures, kept in memory. Each has a
process, and the three run in turns. Then whole processes are timed until their first step is done. Times are medians,
seconds for an image: by the clock, and of the processor, which others on the machine do not disturb as much.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
PICTURES, BATCH, RATE = 32, 4, 0.0005
STEPS = 60_000  # which are never reached
WARM, SKIP, SPAN, TURNS = 6, 5, 20, 7  # steps before all turns, before each one's clock starts, in it; turns
STARTS = 3  # whole processes of each kind


def prepared(spec: Path, folder: Path) -> Path:
    """The network of a spec in a folder of its own, with pictures and a recipe that both can follow."""
    from PIL import Image

    from archspec.documents import sample

    tree = yaml.safe_load(spec.read_text(encoding="utf-8"))
    size = tuple(tree["input"]["size"][:2])
    lines = []
    for seed in range(PICTURES + 1):
        made = sample(seed, size)
        Image.fromarray(made.image).save(folder / f"{seed}.png")
        Image.fromarray(made.edges).save(folder / f"{seed}.edges.png")
        lines.append(f"{seed}.png,{seed}.edges.png\n")
    (folder / "train.csv").write_text("".join(lines[1:]))
    (folder / "one.csv").write_text(lines[0])
    tree["train"] = {
        "task": "edges", "data": {"source": "pairs", "path": "train.csv", "validation": "one.csv"},
        "loss": {"sides": tree["train"].get("loss", {}).get("sides", 0)}, "optimizer": "adam", "learning_rate": RATE,
        "batch": BATCH, "steps": STEPS, "evaluate_every": STEPS, "save_every": STEPS,
    }  # fmt: skip
    (folder / "net.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    return folder / "net.yaml"


def turns() -> Iterator[None]:
    """To be advanced after each step: times some steps whenever a line comes in, and answers with a line."""
    for _ in range(WARM):
        yield
    while sys.stdin.readline():
        for _ in range(SKIP):
            yield
        before = time.perf_counter(), time.process_time()
        for _ in range(SPAN):
            yield
        used = [
            (after - start) / (SPAN * BATCH)
            for start, after in zip(before, (time.perf_counter(), time.process_time()), strict=True)
        ]
        print(json.dumps(used), flush=True)
    os._exit(0)  # TensorFlow's own end takes time


def run_of(spec: Path, ended: Callable[[], bool]) -> Any:
    """The run that `archspec train` would begin."""
    from archspec.analysis import document, network
    from archspec.calibration import input_entry
    from archspec.diagnostics import Source
    from archspec.jobs import Network, TrainJob
    from archspec.photo import InputContract
    from archspec.tf import training
    from archspec.train.feed import Feed
    from archspec.train.sources import Asked, open_sources
    from archspec.train.tasks import task_of

    text = spec.read_text(encoding="utf-8")
    graph = network(document(Source(str(spec), text))).graph
    train, contract = graph.head.train, InputContract.from_manifest(input_entry(graph.head.input))
    assert train is not None
    examples, measured = open_sources(Asked(train, contract, spec.parent))
    task = task_of(train, graph, examples.labels)
    feed, other = (Feed(source, contract, task, train, print) for source in (examples, measured))
    job = TrainJob(Network(str(spec), text, None), str(spec.parent), str(spec.parent))
    return training.start(job, graph, task, feed, other, {}, lambda *_, **__: None, ended)


def ours(spec: Path) -> None:
    from archspec.tf import training

    turn = turns()

    def stepped() -> bool:
        next(turn)
        return False

    training.go(run_of(spec, stepped))


def from_memory(spec: Path) -> None:
    import tensorflow as tf

    from archspec.tf.step import make_step

    run, turn = run_of(spec, lambda: False), turns()
    step = make_step(run.trained, BATCH)
    fed = [[run.feed.at(k * BATCH + i) for i in range(BATCH)] for k in range(PICTURES // BATCH)]
    batches = [{name: tf.constant(np.stack([one[name] for one in batch])) for name in batch[0]} for batch in fed]
    for number in count():
        loss, _ = step(batches[number % len(batches)], tf.constant(number, tf.int64))
        float(loss)
        next(turn)


def by_hand(spec: Path, after: Callable[[], Any]) -> None:
    """The straightforward script: the network of stock layers, and `fit`; `after` is called after each step."""
    import keras
    import tensorflow as tf

    from archspec.analysis import document, network
    from archspec.diagnostics import Source
    from archspec.tf.lower import lower

    graph = network(document(Source(str(spec), spec.read_text(encoding="utf-8")))).graph
    assert graph.head.train is not None
    sides = graph.head.train.loss.sides

    def balanced(edges: Any, logits: Any) -> Any:
        share = tf.maximum(tf.reduce_mean(edges, [1, 2, 3], keepdims=True), 0.005)
        weight = edges * (1 - share) + (1 - edges) * share
        each = tf.nn.sigmoid_cross_entropy_with_logits(edges, logits)
        return tf.reduce_mean(weight * each, [1, 2, 3])

    model = lower(graph)
    names = list(model.output) if sides else list(model.output)[:1]
    model = keras.Model(model.input, {name: model.output[name] for name in names})
    weights = {name: float(sides) if i else 1.0 for i, name in enumerate(names)}
    model.compile(keras.optimizers.Adam(RATE), dict.fromkeys(names, balanced), loss_weights=weights)
    images, edges = pictures(spec.parent)
    data = tf.data.Dataset.from_tensor_slices((images, edges)).shuffle(PICTURES).repeat().batch(BATCH)
    data = data.map(lambda image, edge: (image, dict.fromkeys(names, edge))).prefetch(2)

    class After(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            after()

    model.fit(data, steps_per_epoch=STEPS, verbose=0, callbacks=[After()])


def pictures(folder: Path) -> tuple[Any, Any]:
    """All pictures, 0 to 1, and their edges, 0 or 1."""
    from PIL import Image

    rows = [line.split(",") for line in (folder / "train.csv").read_text().split()]
    images = np.stack([np.asarray(Image.open(folder / image), np.float32) / 255 for image, _ in rows])
    edges = np.stack([np.asarray(Image.open(folder / edge), np.float32) for _, edge in rows])
    return images, (edges > 0)[..., None].astype(np.float32)


def in_turns(spec: Path) -> dict[str, list[float]]:
    """The median seconds of an image, by the clock and of the processor, of each kind. Raises RuntimeError."""
    kinds = ("ours", "memory", "fit")
    crew = [
        subprocess.Popen(
            [sys.executable, __file__, kind, str(spec)], cwd=ROOT, text=True,
            env=quiet() if kind == "fit" else as_worker(spec.parent),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(spec.parent / kind).open("w"),
        )
        for kind in kinds
    ]  # fmt: skip
    spans: dict[str, list[list[float]]] = {kind: [] for kind in kinds}
    try:
        for _ in range(TURNS):
            for kind, process in zip(kinds, crew, strict=True):
                assert process.stdin is not None
                assert process.stdout is not None
                with suppress(BrokenPipeError):
                    process.stdin.write("go\n")
                    process.stdin.flush()
                if not (line := process.stdout.readline()):
                    raise RuntimeError((spec.parent / kind).read_text(errors="replace"))
                spans[kind].append(json.loads(line))
    finally:
        for process in crew:
            process.kill()
            process.wait()
    return {kind: [median(column) for column in zip(*found, strict=True)] for kind, found in spans.items()}


def quiet() -> dict[str, str]:
    allowed = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return allowed | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}


def as_worker(folder: Path) -> dict[str, str]:
    """What `archspec train` gives a process that trains."""
    from archspec.process import environment

    return environment(str(folder), training=True) | {"PYTHONPATH": str(ROOT)}


def first_step(command: list[str], sign: bytes) -> float:
    """Seconds from a process's start until its terminal shows that the first step is done; the process is ended."""
    terminal, end = pty.openpty()
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=quiet(), stdin=end, stdout=end, stderr=end, start_new_session=True
    )
    os.close(end)
    said = b""
    try:
        while sign not in said:
            try:
                said += os.read(terminal, 4096)
            except OSError as error:
                raise RuntimeError(said.decode(errors="replace")) from error
        return time.perf_counter() - start
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(terminal)


def starts(spec: Path) -> dict[str, float]:
    """The least seconds of whole processes until their first step, in turns."""
    fit = [sys.executable, __file__, "first", str(spec)]
    train = [sys.executable, "-m", "archspec", "train", str(spec), "--runs", str(spec.parent / "runs")]
    seconds = [(first_step(train, f" 1/{STEPS} ".encode()), first_step(fit, b"first step")) for _ in range(STARTS)]
    mine, theirs = (min(column) for column in zip(*seconds, strict=True))
    return {"ours_first": mine, "fit_first": theirs}


def main() -> None:
    kind, spec = sys.argv[-2], Path(sys.argv[-1]).resolve()
    if kind == "ours":
        ours(spec)
    elif kind == "memory":
        from_memory(spec)
    elif kind == "fit":
        turn = turns()
        by_hand(spec, lambda: next(turn))
    elif kind == "first":

        def end() -> None:
            print("first step", flush=True)
            os._exit(0)

        by_hand(spec, end)
    else:
        with tempfile.TemporaryDirectory(prefix="archspec-bench-") as folder:
            own = prepared(spec, Path(folder))
            print(json.dumps({**in_turns(own), **starts(own), "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
