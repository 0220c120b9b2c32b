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
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
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
    """As the spec says it, before any folding."""
    from archspec import analysis, blocks
    from archspec.diagnostics import Source
    from archspec.overlay import assignment

    for module in network.blocks:
        blocks.load(module)
    overrides = [assignment("--set", text) for text in network.settings]
    document = analysis.document(Source(network.name, network.text), overrides, network.outputs)
    return analysis.network(document, variant).graph


def _import(job: ImportJob) -> dict[str, Any]:
    from archspec.passes import fold_batch_norm
    from archspec.trained import trained
    from archspec.weights import render_report

    graph, folded = _graph(job.network, job.network.variant), job.network.folded
    match, arrays = trained(graph, graph, job.source, job.maps, folded)
    from archspec.tf import lower  # TensorFlow takes seconds to load, which a refusal need not wait for

    model = lower.lower(fold_batch_norm(graph) if folded else graph)
    lower.assign(model, arrays)
    model.save_weights(job.out)
    return {"report": render_report(match)}


@dataclass(eq=False)
class _Variant:
    """One variant of a job's network; what is made of it is made once, when it is asked for."""

    job: BuildJob
    variant: str | None

    @cached_property
    def graph(self) -> Any:
        return _graph(self.job.network, self.variant)

    @property
    def built(self) -> Any:
        """As model.keras has it."""
        from archspec.passes import fold_batch_norm

        return fold_batch_norm(self.graph) if self.job.network.folded else self.graph

    @cached_property
    def model(self) -> Any:
        from archspec.passes import fold_weights
        from archspec.trained import trained

        network, arrays = self.job.network, dict[str, Any]()
        if self.job.weights:
            # other outputs cut layers; the file of weights has them all
            whole = _graph(replace(network, outputs=()), self.variant) if network.outputs else self.graph
            _, arrays = trained(self.graph, whole, self.job.weights, (), network.folded)
        from archspec.tf import lower  # TensorFlow takes seconds to load, which a refusal need not wait for

        model = lower.lower(self.built)
        if network.folded and not self.job.weights:
            initial = {layer.name: layer.get_weights() for layer in lower.lower(self.graph).layers}
            arrays = fold_weights(self.graph, {name: values for name, values in initial.items() if values})
        lower.assign(model, arrays)
        return model


@dataclass(eq=False)
class _Served:
    """What of a variant a target serves, in the form for its runtime."""

    variant: _Variant
    rows: tuple[str, ...]
    form: str

    @cached_property
    def graph(self) -> Any:
        from archspec.graph import cut

        whole = self.variant.built
        return cut(whole, self.rows) if self.rows else whole

    @property
    def outputs(self) -> list[str]:
        return [name for name, _ in self.graph.outputs]

    @cached_property
    def module(self) -> Any:
        """The deployed network, frozen."""
        from archspec.passes import deploy
        from archspec.tf import export, lower

        made = deploy(self.graph, self.form)
        if made.graph == self.variant.built:
            return export.freeze(self.variant.model, self.outputs)
        weights = {layer.name: values for layer in self.variant.model.layers if (values := layer.get_weights())}
        model = lower.lower(made.graph)
        lower.assign(
            model, made.weights({node.name: weights[node.name] for node in self.graph.nodes if node.name in weights})
        )
        return export.freeze(model, self.outputs)

    @cached_property
    def answers(self) -> Callable[[Any], dict[str, Any]]:
        """The network's own answers to images, as it was before any pass."""
        from archspec.tf import export, lower

        model = self.variant.model
        return partial(export.answers, lower.rows_of(model, self.graph) if self.rows else model, outputs=self.outputs)


def _build(job: BuildJob, tell: Tell) -> None:
    import numpy as np

    from archspec.facts import COMPARED, facts, finite
    from archspec.passes import PLAIN

    folder = Path(job.folder)
    variants = {which: _Variant(job, which) for which in (job.network.variant, *(c.variant for c in job.conversions))}

    @cache
    def served(variant: str | None, rows: tuple[str, ...], form: str) -> _Served:
        return _Served(variants[variant], rows, form)

    @cache
    def reference(variant: str | None, rows: tuple[str, ...], images: str) -> dict[str, Any]:
        answers = served(variant, rows, PLAIN).answers(np.load(folder / images)[:COMPARED])
        finite("the float model", answers)
        return answers

    def keras() -> dict[str, Any]:
        variants[job.network.variant].model.save(folder / KERAS)
        return {}

    def convert(conversion: Conversion) -> dict[str, Any]:
        from archspec.tf import export

        images = np.load(folder / conversion.images)
        answers = reference(conversion.variant, conversion.outputs, conversion.images)
        module = served(conversion.variant, conversion.outputs, conversion.form).module
        data = export.convert(module, conversion.scheme, lambda: (image[None] for image in images))
        (folder / conversion.key).write_bytes(data)
        return {"facts": facts(data, conversion.scheme, images[:COMPARED], answers)}

    if job.keras and not _step(KERAS, tell, keras):
        return
    for conversion in job.conversions:
        _step(conversion.key, tell, partial(convert, conversion))
