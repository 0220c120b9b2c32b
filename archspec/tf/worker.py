"""The process that holds TensorFlow: reads one job from its standard input, answers in lines of JSON.

TensorFlow logs to file descriptors 1 and 2 from C++; the worker moves its answers to a descriptor of their own and
lets the rest fall into a log that is shown only where something fails. The converter can abort the process; the
caller then starts another one for the conversions that are left.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    """Answer one job. Events: started, made, refused, failed; each names the conversion it is about."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from archspec.jobs import BuildJob, decode

    def tell(event: str, **facts: Any) -> None:
        answers.write(json.dumps({"event": event, **facts}) + "\n")

    job = decode(sys.stdin.read())
    if isinstance(job, BuildJob):
        _build(job, tell)
    else:
        _import(job, tell)
    answers.close()
    sys.stderr.flush()
    os._exit(0)  # TensorFlow's own teardown takes 0.3 s and can crash; all files are closed


def _graph(network: Any, variant: str | None) -> Any:
    from archspec import analysis, blocks
    from archspec.diagnostics import Source

    sys.path.insert(0, os.getcwd())
    for module in network.blocks:
        blocks.load(module)
    return analysis.network(analysis.document(Source(network.name, network.text)), variant).graph


def _matched(graph: Any, source: str, maps: Sequence[str]) -> Any:
    from archspec import weights
    from archspec.slots import slots_of

    pairs = [weights.parse_map(text) for text in maps]
    return weights.match(slots_of(graph), weights.read_source(source), pairs)


def _import(job: Any, tell: Any) -> None:
    from archspec import weights
    from archspec.files import write_whole

    graph = _graph(job.network, job.network.variant)
    try:
        match = _matched(graph, job.source, job.maps)
    except weights.WeightsError as error:
        tell("refused", reason=str(error))
        return
    from archspec.tf import lower

    model = lower.lower(graph)
    lower.assign(model, match.arrays())
    part = Path(job.out).with_name(f".{Path(job.out).name}.part.weights.h5")
    try:
        model.save_weights(part)
        write_whole(Path(job.out), part.read_bytes())
    except OSError as error:
        tell("refused", reason=f"cannot write {job.out}: {error.strerror or error}")
        return
    finally:
        part.unlink(missing_ok=True)
    tell("made", file=job.out, report=weights.render_report(match))


def _build(job: Any, tell: Any) -> None:
    import numpy as np

    from archspec import weights
    from archspec.tf import export, lower

    images = np.load(job.calibration, allow_pickle=False)
    modules: dict[str | None, Any] = {}

    def module(variant: str | None) -> Any:
        if variant in modules:
            return modules[variant]
        graph = _graph(job.network, variant)
        arrays = _matched(graph, job.weights, ()).arrays() if job.weights else {}
        model = lower.lower(graph)
        lower.assign(model, arrays)
        if job.keras and variant == job.network.variant:
            model.save(Path(job.folder) / "model.keras")
            tell("keras")
        modules[variant] = export.freeze(model, [name for name, _ in graph.outputs])
        return modules[variant]

    def samples() -> Iterator[Any]:
        return (image[None] for image in images)

    if job.keras:
        tell("started", key="model.keras")
        try:
            module(job.network.variant)
        except weights.WeightsError as error:
            tell("refused", key="model.keras", reason=str(error))
            return
    for conversion in job.conversions:
        tell("started", key=conversion.key)
        try:
            frozen = module(conversion.variant)
            np.savez(Path(job.folder) / f"{conversion.key}.npz", **export.answers(frozen, images))
            data = export.convert(frozen, conversion.scheme, samples)
            (Path(job.folder) / conversion.key).write_bytes(data)
        except weights.WeightsError as error:
            tell("refused", key=conversion.key, reason=str(error))
        except Exception as error:  # a converter's error may be of any type; its target fails, the others go on
            tell("failed", key=conversion.key, reason=f"{type(error).__name__}: {error}")
        else:
            tell("made", key=conversion.key)


if __name__ == "__main__":
    main()
