"""What of a network the targets of a build serve: each part is made once, when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.artifact import ArtifactError
from archspec.jobs import BuildJob, Conversion

# TensorFlow takes seconds to load, which a refusal need not wait for: it is imported where it is needed


def graph_of(network: Any, variant: str | None) -> Any:
    """A job's network as the spec says it, before any folding."""
    from archspec import analysis, blocks
    from archspec.diagnostics import Source
    from archspec.overlay import assignment

    for module in network.blocks:
        blocks.load(module)
    overrides = [assignment("--set", text) for text in network.settings]
    document = analysis.document(Source(network.name, network.text), overrides, network.outputs)
    return analysis.network(document, variant).graph


@dataclass(eq=False)
class Variant:
    """One variant of a job's network; what is made of it is made once, when it is asked for."""

    job: BuildJob
    variant: str | None

    @cached_property
    def graph(self) -> Any:
        return graph_of(self.job.network, self.variant)

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
            whole = graph_of(replace(network, outputs=()), self.variant) if network.outputs else self.graph
            _, arrays = trained(self.graph, whole, self.job.weights, (), network.folded)
        from archspec.tf import lower  # TensorFlow takes seconds to load, which a refusal need not wait for

        model = lower.lower(self.built)
        if network.folded and not self.job.weights:
            initial = {layer.name: layer.get_weights() for layer in lower.lower(self.graph).layers}
            arrays = fold_weights(self.graph, {name: values for name, values in initial.items() if values})
        lower.assign(model, arrays)
        return model


@dataclass(eq=False)
class Served:
    """What of a variant a target serves, in the form for its runtime."""

    variant: Variant
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
    def deployed(self) -> Any:
        """The network as it is converted, and how its weights are made."""
        from archspec.passes import deploy

        return deploy(self.graph, self.form)

    @cached_property
    def flat(self) -> bytes:
        """The deployed network as a float file."""
        from archspec.tf import export, lower

        made = self.deployed
        if made.graph == self.variant.built:
            return export.convert(self.variant.model, self.outputs)
        model = lower.lower(made.graph)
        lower.assign(model, made.weights(self.weights))
        return export.convert(model, self.outputs)

    @property
    def weights(self) -> dict[str, Any]:
        """Of the network before any pass, by layer."""
        found = {layer.name: values for layer in self.variant.model.layers if (values := layer.get_weights())}
        return {node.name: found[node.name] for node in self.graph.nodes if node.name in found}

    def by_ranges(self, ranges: Any, border: str, images: NDArray[np.float32]) -> tuple[bytes, int]:
        """The int8 file of trained ranges, and how many tensors lacked one: theirs are what `images` show."""
        from archspec.quantize.borders import named
        from archspec.tf import bake, export
        from archspec.tflite.compact import compact
        from archspec.tflite.names import brief

        model, missing = bake.lower_quantized(self.graph, self.weights, ranges, self.deployed)
        samples = (lambda: (image[None] for image in images)) if missing else None
        data = export.convert_ranged(export.freeze(model, self.outputs), border, samples)
        return compact(named(data), brief), len(missing)

    @cached_property
    def answers(self) -> Callable[[Any], dict[str, Any]]:
        """The network's own answers to images, as it was before any pass."""
        from archspec.tf import export, lower

        model = self.variant.model
        return partial(export.answers, lower.rows_of(model, self.graph) if self.rows else model, outputs=self.outputs)


@dataclass(eq=False)
class Serving:
    """The variants of a build's network, and what of them its conversions ask for."""

    job: BuildJob
    variants: dict[str | None, Variant] = field(default_factory=dict)
    parts: dict[tuple[str | None, tuple[str, ...], str], Served] = field(default_factory=dict)
    known: dict[tuple[Served, str], dict[str, tuple[float, float]]] = field(default_factory=dict)
    answered: dict[tuple[Served, str], dict[str, Any]] = field(default_factory=dict)

    def variant(self, which: str | None) -> Variant:
        return self.variants.setdefault(which, Variant(self.job, which))

    def served(self, conversion: Conversion) -> Served:
        """What it serves, in its form."""
        asked = conversion.variant, conversion.outputs, conversion.form
        return self.parts.setdefault(asked, Served(self.variant(asked[0]), *asked[1:]))

    def as_it_was(self, conversion: Conversion) -> Served:
        """What it serves, before any pass."""
        from archspec.passes import PLAIN

        return self.served(replace(conversion, form=PLAIN))

    def images(self, conversion: Conversion) -> NDArray[np.float32]:
        """Its calibration images, (n, height, width, channels) in model units."""
        return np.asarray(np.load(Path(self.job.folder) / conversion.images))

    def ranges(self, conversion: Conversion) -> dict[str, tuple[float, float]]:
        """Of each tensor of its float file, over those images."""
        from archspec.quantize.calibrate import ranges

        served = self.served(conversion)
        if (served, conversion.images) not in self.known:
            self.known[served, conversion.images] = ranges(served.flat, self.images(conversion))
        return self.known[served, conversion.images]

    @cached_property
    def trained_ranges(self) -> dict[str, tuple[float, float]]:
        """What the file of weights holds of them; none unless it comes of training with fake quantization."""
        from archspec.weights.ranges import ranges_in

        return ranges_in(self.job.weights) if self.job.weights else {}

    def made(self, conversion: Conversion) -> tuple[bytes, dict[str, Any]]:
        """Its file, and how that was made. Raises ArtifactError where its rows ask for what cannot be made."""
        from archspec.tf.artifacts import TENSORFLOW, artifact, engine

        served = self.served(conversion)
        if conversion.scheme != "int8" or not self.trained_ranges:
            data = artifact(served.flat, served.deployed.graph, conversion, lambda: self.ranges(conversion))
            return data, {"engine": engine(conversion), "calibrated": None}
        if conversion.float_rows or conversion.int16_rows:
            raise ArtifactError("the weights were trained for int8 in all rows: float_rows and int16_rows do not go")
        data, count = served.by_ranges(self.trained_ranges, conversion.border, self.images(conversion))
        return data, {"engine": TENSORFLOW, "calibrated": count}

    def reference(self, conversion: Conversion) -> dict[str, Any]:
        """The float model's own answers to its first images. Raises ClaimError where they are no numbers."""
        from archspec.facts import COMPARED, finite

        served = self.as_it_was(conversion)
        if (served, conversion.images) not in self.answered:
            answers = served.answers(self.images(conversion)[:COMPARED])
            finite("the float model", answers)
            self.answered[served, conversion.images] = answers
        return self.answered[served, conversion.images]

    def claim(self, conversion: Conversion) -> Any:
        """What its file is held to."""
        from archspec.claims import Claim

        rows = conversion.float_rows, conversion.int16_rows
        graph = self.served(conversion).deployed.graph
        return Claim(graph, conversion.scheme, conversion.border, *rows, conversion.min_runtime)
