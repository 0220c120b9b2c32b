"""The options of a row: its own over its block's defaults over those of `all` over what the block's function gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archspec.blocks import REQUIRED, Block
from archspec.diagnostics import Diagnostic, Label
from archspec.kinds import Repeat, Units, kind_of
from archspec.read import read_value
from archspec.scale import scaled_depth
from archspec.source import Node
from archspec.spec import Head, RowSpec

REPEAT, MIN_DEPTH = kind_of(Repeat), kind_of(Units)


@dataclass
class Options:
    """Reads the options of rows, and remembers what came of the head's words. Alive inside `expand` only."""

    head: Head
    found: list[Diagnostic]
    taken: set[tuple[str, str]] = field(default_factory=set)  # (block or `all`, option) of defaults some row can take
    general: dict[tuple[str, str], Any] = field(default_factory=dict)  # (block, option) -> value of `all`
    widened: bool = False

    def read(self, row: RowSpec, block: Block) -> dict[str, Any] | None:
        """The values that are set anywhere, depths scaled. None where one is wrong or missing, and `found` says so."""
        values: dict[str, Any] = {}
        own, every = (self.head.defaults.get(word) for word in (block.name, "all"))
        for name, option in block.options.items():
            default, general = own and own.get(name), every and every.get(name)
            if default:
                self.taken.add((block.name, name))
            if general:
                self.taken.add(("all", name))
            if node := row.options.get(name) or default:
                values[name] = read_value(option.kind, name, node, self.found)
            elif general:
                values[name] = self._general(row, block, name, general)
            elif option.default is REQUIRED:
                self._missing(row, block, name)
                values[name] = REQUIRED
        floor = self.word(row.min_depth, "min_depth")
        return None if REQUIRED in (*values.values(), floor) else self._scaled(block, values, floor)

    def word(self, node: Node | None, name: str) -> int | None:
        """A row's `repeat` or `min_depth`; None where it does not say."""
        kind = REPEAT if name == "repeat" else MIN_DEPTH
        return None if node is None else read_value(kind, name, node, self.found)

    def _general(self, row: RowSpec, block: Block, name: str, node: Node) -> Any:
        if (block.name, name) not in self.general:
            place = Label(row.span, "for this row")
            self.general[block.name, name] = read_value(block.options[name].kind, name, node, self.found, place)
        return self.general[block.name, name]

    def _missing(self, row: RowSpec, block: Block, name: str) -> None:
        message = f"block `{block.name}` needs `{name}`: {block.options[name].kind.expects}"
        help = f"add `{name}: ...` to the row or to the defaults of `{block.name}`"
        self.found.append(Diagnostic("missing-option", message, row.span, help=help))

    def _scaled(self, block: Block, values: dict[str, Any], floor: int | None) -> dict[str, Any]:
        made = dict(values)
        for name, option in block.options.items():
            depth = values.get(name, option.default)
            if option.kind.scaled and isinstance(depth, int):
                made[name] = scaled_depth(depth, self.head.scale, floor)
                self.widened |= made[name] != depth
        return made
