"""Files of one network with ever other rows in float, and how far each is from the float file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from archspec.artifact import run_tflite
from archspec.graph import Graph
from archspec.jobs import Conversion
from archspec.quantize.calibrate import Range, ranges
from archspec.quantize.placed import placed
from archspec.quantize.report import relative_error
from archspec.tf.artifacts import artifact
from archspec.tf.serving import Serving

COMPARED = 10  # images that are not calibrated on, on which files are compared


@dataclass(eq=False)
class Trials:
    """Calibrated on every other image of a conversion's, compared on those between, with floats in and out."""

    serving: Serving
    conversion: Conversion
    errors: dict[frozenset[str], float] = field(default_factory=dict)

    @property
    def flat(self) -> bytes:
        return self.serving.served(self.conversion).flat

    @property
    def graph(self) -> Graph:
        graph: Graph = self.serving.served(self.conversion).deployed.graph
        return graph

    @cached_property
    def rows(self) -> tuple[str, ...]:
        """The rows that can be float or not: with ops in the file, and not said to be of another type already."""
        fixed = {*self.conversion.float_rows, *self.conversion.int16_rows}
        there = {row for op in placed(self.flat, self.graph) for row in op.rows}
        return tuple(row.name for row in self.graph.rows if row.name in there - fixed)

    @cached_property
    def ranges(self) -> dict[str, Range]:
        return ranges(self.flat, self.serving.images(self.conversion)[::2])

    @cached_property
    def images(self) -> NDArray[np.float32]:
        return self.serving.images(self.conversion)[1::2][:COMPARED]

    @cached_property
    def wanted(self) -> dict[str, NDArray[np.float32]]:
        return run_tflite(self.flat, self.images)

    def error(self, floats: frozenset[str]) -> float:
        """Of the file in which those rows are float, beside the ones that the target names. See `relative_error`."""
        if floats not in self.errors:
            rows = tuple(row for row in self.rows if row in floats)
            asked = replace(self.conversion, border="float32", float_rows=(*self.conversion.float_rows, *rows))
            data = artifact(self.flat, self.graph, asked, lambda: self.ranges)
            self.errors[floats] = relative_error(run_tflite(data, self.images), self.wanted)
        return self.errors[floats]
