"""What a pass gives: another graph that answers the same, and how its weights come from those of the graph before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.graph import Graph

Weights = Mapping[str, Sequence[NDArray[np.floating[Any]]]]
"""By layer name, in Keras's order."""


@dataclass(frozen=True)
class Rewrite:
    """`graph` in another form, and `weights`, which makes its weights of those of the graph it came from.

    `notes` say in words what was done, nothing where nothing was.
    """

    graph: Graph
    weights: Callable[[Weights], Weights]
    notes: tuple[str, ...] = ()

    def then(self, step: Callable[[Graph], Rewrite]) -> Rewrite:
        """This rewrite and one more on its graph."""
        after = step(self.graph)
        return Rewrite(after.graph, lambda weights: after.weights(self.weights(weights)), self.notes + after.notes)


Pass = Callable[[Graph], Rewrite]
