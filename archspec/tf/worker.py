"""The process that holds TensorFlow: reads one job from its standard input, answers in lines of JSON.

TensorFlow logs to file descriptors 1 and 2 from C++; the worker moves its answers to a descriptor of their own and
lets the rest fall into a log that is looked through only where something fails. The converter can abort the process;
the caller then starts another one for the conversions that are left.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from archspec.jobs import KERAS, BuildJob, Conversion, ImportJob, decode

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

    job = decode(sys.stdin.buffer.read())
    if isinstance(job, BuildJob):
        _build(job, tell)
    else:
        _step("", tell, lambda: _import(job))
    answers.close()
    sys.stderr.flush()
    os._exit(0)  # TensorFlow's own teardown takes 0.3 s and can crash; all files are closed


def _step(key: str, tell: Tell, step: Callable[[], dict[str, Any]]) -> bool:
    """Take one step of a job and tell what came of it; whether it was made."""
    from archspec.artifact import ArtifactError
    from archspec.facts import ClaimError
    from archspec.process import tail
    from archspec.weights import WeightsError

    start = os.fstat(2).st_size
    tell("started", key=key)
    try:
        made = step()
    except (WeightsError, ClaimError, ArtifactError) as error:
        tell("refused", key=key, reason=str(error))
    except Exception as error:  # a converter's error may be of any type; its target fails, the others go on
        sys.stderr.flush()
        tell("failed", key=key, reason=f"{type(error).__name__}: {error}", log=tail(2, start))
    else:
        tell("made", key=key, **made)
        return True
    return False


def _graph(network: Any, variant: str | None) -> Any:
    from archspec import analysis, blocks
    from archspec.diagnostics import Source

    for module in network.blocks:
        blocks.load(module)
    document = analysis.document(Source(network.name, network.text), outputs=network.outputs)
    return analysis.network(document, variant).graph


def _matched(graph: Any, source: str, maps: Sequence[str]) -> Any:
    from archspec import weights
    from archspec.slots import slots_of

    pairs = [weights.parse_map(text) for text in maps]
    return weights.match(slots_of(graph), weights.read_source(source), pairs)


def _import(job: ImportJob) -> dict[str, Any]:
    from archspec import weights

    graph = _graph(job.network, job.network.variant)
    match = _matched(graph, job.source, job.maps)
    from archspec.tf import lower  # TensorFlow takes seconds to load, which a refusal need not wait for

    model = lower.lower(graph)
    lower.assign(model, match.arrays())
    model.save_weights(job.out)
    return {"report": weights.render_report(match)}


def _build(job: BuildJob, tell: Tell) -> None:
    import numpy as np

    from archspec.facts import COMPARED, facts, finite
    from archspec.tf import export, lower

    folder = Path(job.folder)

    @cache
    def model(variant: str | None) -> tuple[Any, list[str]]:
        graph = _graph(job.network, variant)
        made = lower.lower(graph)
        if job.weights:
            # other outputs cut layers; the file of weights has them all
            whole = _graph(replace(job.network, outputs=()), variant) if job.network.outputs else graph
            arrays, names = _matched(whole, job.weights, ()).arrays(), {node.name for node in graph.nodes}
            lower.assign(made, {name: values for name, values in arrays.items() if name in names})
        return made, [name for name, _ in graph.outputs]

    @cache
    def frozen(variant: str | None) -> Any:
        return export.freeze(*model(variant))

    @cache
    def answers(variant: str | None, images: str) -> dict[str, Any]:
        _, outputs = model(variant)
        return export.answers(frozen(variant), np.load(folder / images)[:COMPARED], outputs)

    def keras() -> dict[str, Any]:
        model(job.network.variant)[0].save(folder / KERAS)
        return {}

    def convert(conversion: Conversion) -> dict[str, Any]:
        images = np.load(folder / conversion.images)
        reference = answers(conversion.variant, conversion.images)
        finite("the float model", reference)
        module = frozen(conversion.variant)
        data = export.convert(module, conversion.scheme, lambda: (image[None] for image in images))
        (folder / conversion.key).write_bytes(data)
        return {"facts": facts(data, conversion.scheme, images[:COMPARED], reference)}

    if job.keras and not _step(KERAS, tell, keras):
        return
    for conversion in job.conversions:
        _step(conversion.key, tell, partial(convert, conversion))
