"""Weights from a file for a graph, with batch norms folded into the layers in front of them where that is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from archspec.graph import INPUT, Graph
from archspec.ops import Activation, Scale
from archspec.passes import LINEAR, fold_batch_norm, fold_weights, foldable
from archspec.slots import slots_of
from archspec.weights import Match, Slot, Source, WeightsError, count_norms, match, parse_map, read_source, units

Arrays = dict[str, list[NDArray[np.float32]]]


def trained(
    graph: Graph, whole: Graph, path: str, maps: Sequence[str], folded: bool, fresh: Collection[str] = ()
) -> tuple[Match, Arrays]:
    """Match the file's tensors to `whole`, and give the weights of `graph` (a part of it, or itself) by layer.

    With `folded` they are those of `fold_batch_norm(graph)`, whether the file's own are folded or not. Raises
    WeightsError where the file does not match without a doubt, and for folded weights that are not asked for.
    With rows `fresh`, which get none, the others go by the names of their layers, and the file may hold more.
    """
    source, pairs = read_source(path), [parse_map(text) for text in maps]
    if source.folded and (layer := _scaled(whole)):
        raise WeightsError(f"{path}: layer `{layer}` reads a scaled map: the scale may be a part of its weights")
    if folded and holds_folded(source, whole):
        return _folded(graph, whole, source, pairs, path)
    if source.folded and foldable(whole):
        raise WeightsError(f"{path}: in a {source.format} file biases stand for batch norms; use --folded")
    slots: Sequence[Slot] = slots_of(whole)
    if fresh:
        slots, source, dropped = _without(fresh, slots, source)
        pairs = [*pairs, *dropped]
    try:
        found = match(slots, source, pairs)
    except WeightsError as error:
        if not holds_folded(source, whole):
            raise
        raise WeightsError(
            f"{error}\nnote: {path} has no batch norms; if biases stand for them, use --folded"
        ) from None
    arrays = _of(graph, found)
    return found, fold_weights(graph, arrays) if folded else arrays


def fine_tuned(graph: Graph, path: str, fresh: Collection[str]) -> Arrays:
    """The weights of a file by layer, but for those of the rows `fresh`. Raises WeightsError as `trained` does."""
    try:
        return trained(graph, graph, path, (), False, fresh)[1]
    except WeightsError as error:
        note = "rows under `train.fresh` begin with random weights instead"
        if fresh:
            note = "beside `fresh` rows a file's layers go by archspec's names, which `archspec import` gives them"
        raise WeightsError(f"{error}\nnote: {note}") from None


def _without(
    rows: Collection[str], slots: Sequence[Slot], source: Source
) -> tuple[list[Slot], Source, list[tuple[str, str]]]:
    """The slots of the other rows, the source, and maps that drop what has none of their names: another head, say."""
    place = {old: new for new, old in enumerate(i for i, slot in enumerate(slots) if slot.row not in rows)}
    # what a row reads is left unsaid: the file's graph need not be this one
    kept = [
        replace(slots[i], above=frozenset(place[j] for j in slots[i].above & place.keys()), reads=None) for i in place
    ]
    names = {slot.layer for slot in kept}
    dropped = [(unit.scope, "") for unit in units(source) if unit.scope not in names]
    return kept, replace(source, reads={}), dropped


def holds_folded(source: Source, graph: Graph) -> bool:
    """Whether a file has at most the batch norms that folding leaves in the graph, where it folds any."""
    kept = sum(slot.kind == "norm" for slot in slots_of(graph)) - len(foldable(graph))
    return bool(foldable(graph)) and (source.folded or count_norms(source) <= kept)


def _folded(
    graph: Graph, whole: Graph, source: Source, maps: Sequence[tuple[str, str]], path: str
) -> tuple[Match, Arrays]:
    found = match(slots_of(fold_batch_norm(whole)), source, maps)
    part = fold_batch_norm(graph)
    arrays = _of(part, found)
    for slot in slots_of(part):
        if len(arrays[slot.layer]) != len(slot.weights):
            raise WeightsError(f"{path}: the batch norm behind row `{slot.row}` is folded there, and cut off here")
    return found, arrays


def _scaled(graph: Graph) -> str | None:
    """A layer with weights that reads what a fixed number has scaled, which a converter takes into its weights.

    hard_sigmoid is relu6(x + 3), scaled.
    """
    for node in graph.nodes:
        before = node.inputs[0].node
        if isinstance(node.op, LINEAR) and before != INPUT:
            op = graph.nodes[before].op
            if isinstance(op, Scale) or op == Activation("hard_sigmoid"):
                return node.name
    return None


def _of(graph: Graph, found: Match) -> Arrays:
    names = {node.name for node in graph.nodes}
    return {name: values for name, values in found.arrays().items() if name in names}
