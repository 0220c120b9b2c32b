"""What a build is asked for: one conversion for each file that the targets need, networks and images by variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from archspec import calibration, jobs, manifest
from archspec.analysis import Document, Network, network
from archspec.calibration import Calibration
from archspec.cost import cost
from archspec.delivery import labels_of
from archspec.graph import cut
from archspec.passes import PLAIN, fold_batch_norm, form_for
from archspec.spec import CALIBRATED, Target
from archspec.weights.ranges import ranges_in

Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What to build: the network, the conversions of its targets, weights, the folder.

    `networks` and `calibrations` hold what the conversions need, by variant.
    """

    network: Network
    source: jobs.Network
    conversions: tuple[jobs.Conversion, ...]
    networks: Mapping[str | None, Network]
    calibrations: Mapping[str | None, Calibration]
    weights: manifest.Weights | None
    folder: Path


def plan(
    networks: Mapping[str | None, Network], targets: Mapping[str, Target], source: jobs.Network, passes: bool,
    labels: Mapping[str | None, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[jobs.Conversion, ...]:  # fmt: skip
    """One conversion for all targets that ask for the same file. A variant or outputs of the caller's own win.

    `networks` holds those of the targets by variant, `labels` their classes. Without `passes` they are converted in
    the form they have.
    """
    asked: dict[jobs.Conversion, list[str]] = {}
    for abi, target in targets.items():
        variant, outputs = source.variant or target.variant, () if source.outputs else target.outputs
        graph = networks[variant].graph
        conversion = jobs.Conversion(
            key="",
            scheme=target.quantize,
            border=target.border,
            variant=variant,
            abis=(),
            images="",
            form=form_for(abi, target, cut(graph, outputs) if outputs else graph) if passes else PLAIN,
            outputs=outputs,
            float_rows=target.float_rows,
            int16_rows=target.int16_rows,
            min_runtime=target.min_runtime,
            labels=labels.get(variant, ()),
            nms=target.nms,
        )
        asked.setdefault(conversion, []).append(abi)
    variants = list(dict.fromkeys(c.variant for c in asked))
    chosen = sorted(asked.items(), key=lambda item: item[0].scheme != "none")  # float first: it is the quickest
    return tuple(
        replace(c, key=f"{i}.tflite", abis=tuple(served), images=f"{variants.index(c.variant)}.npy")
        for i, (c, served) in enumerate(chosen)
    )


def order(
    doc: Document, source: jobs.Network, weights: Path | None, out: Path, pictures: Path | None, say: Say,
    *, passes: bool = True,
) -> Order:  # fmt: skip
    """What a spec's targets ask for, below the folder `out`. `pictures` is a folder of them, to calibrate on.

    Without `passes` networks are not brought into a form for deployment. Raises SpecError, CalibrationError, and
    OSError where there are no such weights.
    """
    main = _network(doc, source.variant, source.folded)
    targets = main.graph.head.targets
    digest = manifest.weights_at(weights) if weights else None
    variants = dict.fromkeys(source.variant or target.variant for target in targets.values())
    networks = {which: main if which == source.variant else _network(doc, which, source.folded) for which in variants}
    labels = {which: labels_of(doc, one) for which, one in networks.items()}
    conversions = plan(networks, targets, source, passes, labels)
    trained = weights is not None and bool(ranges_in(weights))
    integer = {c.variant for c in conversions if c.scheme in CALIBRATED}
    calibrations = {
        variant: calibration.choose(
            one.graph.head.input, pictures, weights is not None and variant in integer, _quiet if trained else say
        )
        for variant, one in networks.items()
    }
    return Order(main, source, conversions, networks, calibrations, digest, out / main.graph.head.model)


def _quiet(line: str) -> None:
    """Trained ranges need no photos, but for the few tensors that passes have made anew."""


def _network(doc: Document, variant: str | None, folded: bool) -> Network:
    """The network as it is built. Raises SpecError."""
    one = network(doc, variant)
    graph = fold_batch_norm(one.graph) if folded else one.graph
    return replace(one, graph=graph, cost=cost(graph)) if folded else one


def save_images(order: Order, scratch: Path) -> None:
    """Put the calibration images where the conversions look for them."""
    for conversion in order.conversions:
        np.save(scratch / conversion.images, order.calibrations[conversion.variant].images)
