"""Foreign weights, matched to a graph by structure. Readers import what they need when they need it."""

from archspec.weights.errors import WeightsError
from archspec.weights.maps import parse_map
from archspec.weights.match import Entry, Match, match
from archspec.weights.report import render_report
from archspec.weights.slots import Slot
from archspec.weights.sources import read_source
from archspec.weights.units import Source, count_norms, units

__all__ = [
    "Entry",
    "Match",
    "Slot",
    "Source",
    "WeightsError",
    "count_norms",
    "match",
    "parse_map",
    "read_source",
    "render_report",
    "units",
]
