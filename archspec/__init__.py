"""The front door: what a program that uses archspec imports. Each name is loaded when it is first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archspec.analysis import Document, Network, document, network, networks, open_spec
    from archspec.blocks import block
    from archspec.cost import NetCost, RowCost
    from archspec.diagnostics import Diagnostic, Source, SpecError
    from archspec.graph import Graph
    from archspec.tf.lower import lower

__all__ = [
    "Diagnostic",
    "Document",
    "Graph",
    "NetCost",
    "Network",
    "RowCost",
    "Source",
    "SpecError",
    "block",
    "document",
    "lower",
    "network",
    "networks",
    "open_spec",
]

_HOMES = {
    "archspec.analysis": ("Document", "Network", "document", "network", "networks", "open_spec"),
    "archspec.blocks": ("block",),
    "archspec.cost": ("NetCost", "RowCost"),
    "archspec.diagnostics": ("Diagnostic", "Source", "SpecError"),
    "archspec.graph": ("Graph",),
    "archspec.tf.lower": ("lower",),  # loads TensorFlow
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'archspec' has no attribute {name!r}")
