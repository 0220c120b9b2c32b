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
    ends = np.concatenate([[0], np.cumsum(found.sum(1))])
    graph = csr_array((np.ones(ends[-1], np.bool_), around[found], ends), shape=(rows.size, y.size))
    return int((csgraph.maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())
