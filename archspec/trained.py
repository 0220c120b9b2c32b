"""Weights from a file for a graph, with batch norms folded into the layers in front of them where that is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archspec.graph import Graph
from archspec.passes import fold_batch_norm, fold_weights, foldable
from archspec.slots import slots_of
from archspec.weights import Match, Source, WeightsError, count_norms, match, parse_map, read_source

Arrays = dict[str, list[NDArray[np.float32]]]


def trained(graph: Graph, whole: Graph, path: str, maps: Sequence[str], folded: bool) -> tuple[Match, Arrays]:
    """Match the file's tensors to `whole`, and give the weights of `graph` (a part of it, or itself) by layer.

    With `folded` they are those of `fold_batch_norm(graph)`, whether the file's own are folded or not. Raises
    WeightsError where the file does not match without a doubt, and for folded weights that are not asked for.
    """
    source, pairs = read_source(path), [parse_map(text) for text in maps]
    if not holds_folded(source, whole):
        found = match(slots_of(whole), source, pairs)
        arrays = _of(graph, found)
        return found, fold_weights(graph, arrays) if folded else arrays
    if not folded:
        raise WeightsError(
            f"{path}: has no batch norms, which {len(foldable(whole))} layers of the network want: biases may stand for"
            " them there; if so, use --folded"
        )
    found = match(slots_of(fold_batch_norm(whole)), source, pairs)
    part = fold_batch_norm(graph)
    arrays = _of(part, found)
    for slot in slots_of(part):
        if len(arrays[slot.layer]) != len(slot.weights):
            raise WeightsError(f"{path}: the batch norm of row `{slot.row}` is folded there, and is not in this part")
    return found, arrays


def holds_folded(source: Source, graph: Graph) -> bool:
    """Whether a file has at most the batch norms that folding leaves in the graph, where it folds any."""
    kept = sum(slot.kind == "norm" for slot in slots_of(graph)) - len(foldable(graph))
    return bool(foldable(graph)) and (source.folded or count_norms(source) <= kept)


def _of(graph: Graph, found: Match) -> Arrays:
    names = {node.name for node in graph.nodes}
    return {name: values for name, values in found.arrays().items() if name in names}
