"""The process that holds TensorFlow: reads one job from its standard input, answers in lines of JSON.

TensorFlow logs to file descriptors 1 and 2 from C++; the worker moves its answers to a descriptor of their own and
lets the rest fall into a log that is looked through only where something fails. The converter can abort the process;
the caller then starts another one for the conversions that are left.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from archspec.jobs import KERAS, BuildJob, Conversion, ImportJob, RankJob, TrainJob, decode
from archspec.tf.serving import Serving, graph_of

Tell = Callable[..., None]


def main() -> None:
    """Answer one job. Events: started, made, refused, failed; each names by `key` the conversion it is about.

    A refusal's `reason` is for people as it stands; a failure's is an exception's text, with the log beside it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the caller ends this process
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def tell(event: str, **facts: Any) -> None:
        answers.write(json.dumps({"event": event, **facts}) + "\n")

    # Keras imports scikit-learn wherever it is installed, for wrappers that nothing here uses: 0.6 s
    sys.modules.setdefault("sklearn", None)  # type: ignore[arg-type]
    job = decode(sys.stdin.buffer.read())
    if isinstance(job, BuildJob):
        _build(job, tell)
    elif isinstance(job, RankJob):
        _step("", tell, lambda: _rank(job))
    elif isinstance(job, TrainJob):
        _step("", tell, lambda: _train(job, tell))
    else:
        _step("", tell, lambda: _import(job))
    answers.close()
    sys.stderr.flush()
    os._exit(0)  # TensorFlow's own teardown takes 0.3 s and can crash; all files are closed


def _step(key: str, tell: Tell, step: Callable[[], dict[str, Any]]) -> bool:
    """Take one step of a job and tell what came of it; whether it was made."""
    from archspec.artifact import ArtifactError
    from archspec.claims import ClaimError
    from archspec.deliver.metadata import MetadataError
    from archspec.process import tail
    from archspec.quantize.report import FallbackError
    from archspec.train import TrainError
    from archspec.weights import WeightsError

    start = os.fstat(2).st_size
    tell("started", key=key)
    try:
        made = step()
    except (WeightsError, ClaimError, ArtifactError, FallbackError, MetadataError, TrainError) as error:
        tell("refused", key=key, reason=str(error))
    except Exception as error:  # a converter's error may be of any type; its target fails, the others go on
        sys.stderr.flush()
        tell("failed", key=key, reason=f"{type(error).__name__}: {error}", log=tail(2, start))
    else:
        tell("made", key=key, **made)
        return True
    return False


def _import(job: ImportJob) -> dict[str, Any]:
    from archspec.passes import fold_batch_norm
    from archspec.trained import trained
    from archspec.weights import render_report

    graph, folded = graph_of(job.network, job.network.variant), job.network.folded
    match, arrays = trained(graph, graph, job.source, job.maps, folded)
    from archspec.tf import lower  # TensorFlow takes seconds to load, which a refusal need not wait for

    model = lower.lower(fold_batch_norm(graph) if folded else graph)
    lower.assign(model, arrays)
    model.save_weights(job.out)
    return {"report": render_report(match)}


def _train(job: TrainJob, tell: Tell) -> dict[str, Any]:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):  # go to the whole group too; the caller asks by SIGUSR1
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda number, frame: ended.set())
    _end_with_caller()
    from archspec.calibration import input_entry
    from archspec.photo import InputContract
    from archspec.train.feed import Feed
    from archspec.train.run import STATE
    from archspec.train.sources import Asked, open_sources
    from archspec.train.tasks import task_of
    from archspec.trained import fine_tuned

    graph = graph_of(job.network, job.network.variant)
    train, contract = graph.head.train, InputContract.from_manifest(input_entry(graph.head.input))
    examples, measured = open_sources(Asked(train, contract, Path(job.root)))
    task = task_of(train, graph, examples.labels)

    def skipped(reason: str) -> None:
        tell("skipped", key="", reason=reason)

    feed, other = (Feed(source, contract, task, train, skipped) for source in (examples, measured))
    begun = job.resume and (Path(job.folder) / STATE).exists()
    arrays = fine_tuned(graph, job.weights, train.fresh) if job.weights and not begun else {}
    from archspec.tf import training  # TensorFlow takes seconds to load, which a refusal need not wait for

    run = training.start(job, graph, task, feed, other, arrays, tell, ended.is_set)
    return {"result": training.go(run)}


def _end_with_caller() -> None:
    """Let Linux kill this process where its caller dies, so that two never write the files of one run."""
    if sys.platform == "linux":
        set_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def _build(job: BuildJob, tell: Tell) -> None:
    from archspec.abi import golden
    from archspec.facts import COMPARED

    folder, serving = Path(job.folder), Serving(job)

    def keras() -> dict[str, Any]:
        serving.variant(job.network.variant).model.save(folder / KERAS)
        return {}

    def convert(conversion: Conversion) -> dict[str, Any]:
        from archspec.delivery import described
        from archspec.facts import contents, facts
        from archspec.nms.proof import suppressed
        from archspec.nms.tail import OUTPUTS

        answers = serving.reference(conversion)
        first = {name: answer[: golden.IMAGES] for name, answer in answers.items()}
        (folder / conversion.answers).write_bytes(golden.packed(first, level=0))
        data, how = serving.made(conversion)
        images, graph = serving.images(conversion)[:COMPARED], serving.served(conversion).graph
        claim, outputs = serving.claim(conversion), list(answers)
        if conversion.nms:  # boxes are held to the heads, and the heads to the claim
            how |= facts(data, claim, images, answers)
            data, outputs = suppressed(data, graph, conversion.nms, images), list(OUTPUTS)
        data = described(data, graph, job.network.text, conversion.labels, conversion.nms is not None)
        if not conversion.nms:
            how |= facts(data, claim, images, answers)
        (folder / conversion.key).write_bytes(data)
        return {"facts": how | contents(data, claim, outputs)}

    if job.keras and not _step(KERAS, tell, keras):
        return
    for conversion in job.conversions:
        _step(conversion.key, tell, partial(convert, conversion))


def _rank(job: RankJob) -> dict[str, Any]:
    from archspec.quantize.report import fallback, ranking
    from archspec.tf.trials import Trials

    trials = Trials(Serving(job.build), job.build.conversions[0])
    ranks = ranking(trials.rows, trials.error)
    made = {"ranks": [asdict(rank) for rank in ranks], "error": trials.error(frozenset())}
    if job.most is None:
        return made
    return made | {"float_rows": list(fallback([rank.row for rank in ranks], trials.error, job.most))}
