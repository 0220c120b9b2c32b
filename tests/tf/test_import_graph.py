"""The graph of a .keras file is enough by itself: the same file with names and order that say nothing."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from zoo import randomize, spec_network

from archspec.slots import slots_of
from archspec.weights import Match, Slot, Source, WeightsError, match, read_source
from archspec.weights.upstream import Upstream

NETWORKS = {
    "inception_v3": (keras.applications.InceptionV3, 75),
    "xception": (keras.applications.Xception, 75),
    "mobilenet_v3_small": (keras.applications.MobileNetV3Small, 64),
}


def slots_and_source(name: str, folder: Path) -> tuple[tuple[Slot, ...], Source]:
    make, size = NETWORKS[name]
    options = {"include_preprocessing": False} if "v3_small" in name else {}
    model = make(input_shape=(size, size, 3), weights=None, classifier_activation=None, **options)
    randomize(model)
    model.save(folder / "m.keras")
    return slots_of(spec_network(name, None, f"input.size={size}").graph), read_source(folder / "m.keras")


def anonymous(source: Source) -> Source:
    """Scopes named by letters and tensors in an order drawn by lot; the order of the model forgotten."""
    scopes = sorted(source.reads)
    lots = np.random.default_rng(3).permutation(len(scopes))
    names = {
        scope: "".join("abcdefghij"[int(digit)] for digit in f"{lot:03}")
        for scope, lot in zip(scopes, lots, strict=True)
    }

    def renamed(reads: Upstream) -> Upstream:
        if isinstance(reads, str):
            return names.get(reads, reads)
        return reads._replace(parts=tuple(map(renamed, reads.parts)))

    def moved(table: Mapping[str, Any]) -> dict[str, Any]:
        return {names[scope]: value for scope, value in table.items()}

    tensors = {f"{names[name.rpartition('/')[0]]}/{name.rpartition('/')[2]}": a for name, a in source.tensors.items()}
    return Source(
        source.format,
        {name: tensors[name] for name in sorted(tensors)},
        moved(source.classes),
        reads=moved({scope: renamed(reads) for scope, reads in source.reads.items()}),
    )


def same(one: Match, other: Match) -> bool:
    """Whether two matches give every layer the same values."""
    ours, theirs = one.arrays(), other.arrays()
    return ours.keys() == theirs.keys() and all(
        len(ours[layer]) == len(theirs[layer]) and all(map(np.array_equal, ours[layer], theirs[layer]))
        for layer in ours
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_alone_is_enough(name: str, tmp_path: Path) -> None:
    slots, source = slots_and_source(name, tmp_path)
    unnamed = anonymous(source)
    found = match(slots, unnamed)
    assert {entry.how for entry in found.entries} == {"shape", "graph"}
    assert same(found, match(slots, source))
    with pytest.raises(WeightsError, match="ambiguous"):
        match(slots, replace(unnamed, reads={}))


def test_other_values_are_noticed(tmp_path: Path) -> None:
    slots, source = slots_and_source("mobilenet_v3_small", tmp_path)
    found = match(slots, source)
    name = next(name for name in source.tensors if name.endswith("/kernel"))
    assert same(found, found)
    assert not same(found, match(slots, replace(source, tensors={**source.tensors, name: 2 * source.tensors[name]})))
