"""Which edge pixels stand for the same edge: one-to-one assignment of those that lie close together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]


def match(predicted: Bits, truth: Bits, radius: float) -> int:
    """The most pairs of a predicted and a true pixel at most `radius` pixels apart, every pixel in one pair at most.

    Both maps are (height, width). BSDS500's `correspondPixels` (Martin, Fowlkes and Malik 2004) seeks the cheapest
    assignment, where distances cost their pixels and a pixel left alone 100 times the radius: it gives up a pair only
    where more than 100 others would have to move for it. Raises ValueError where the maps' sizes differ.

    As a flow, since SciPy's `maximum_bipartite_matching` takes exponential time on some maps (scipy issue 26147).
    """
    from scipy.sparse import csgraph, csr_array

    if predicted.shape != truth.shape:
        raise ValueError(f"maps of {predicted.shape} and {truth.shape} cannot be matched")
    reach = int(radius)
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    near = down**2 + across**2 <= radius**2
    number = np.full([size + 2 * reach for size in truth.shape], -1, np.int32)
    y, x = np.nonzero(truth)
    number[y + reach, x + reach] = np.arange(y.size)
    rows, columns = np.nonzero(predicted)
    around = number[rows[:, None] + reach + down[near], columns[:, None] + reach + across[near]]
    found = around >= 0
    live = found.any(1)
    found, around = found[live], around[live]
    count, sink = len(found), len(found) + y.size + 1
    # a flow of 1 from a source, node 0, through each predicted pixel and each true one to a sink
    follow = np.concatenate([np.arange(1, count + 1), around[found] + count + 1, np.full(y.size, sink)])
    ends = np.cumsum(np.concatenate([[0, count], found.sum(1), np.ones(y.size, int), [0]]))
    parts = np.ones(follow.size, np.int32), follow.astype(np.int32), ends.astype(np.int32)
    graph = csr_array(parts, shape=(sink + 1, sink + 1))
    return int(csgraph.maximum_flow(graph, 0, sink, method="dinic").flow_value)
