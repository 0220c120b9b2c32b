"""The registry of blocks: `@block` reads all there is to know of one from its function.

A block is a function `(net, x, *, options...)` that calls ops and returns a tensor. Its name is the block's name,
its keyword parameters are the options, their annotations (`archspec.kinds`) the types, its docstring the reference.
A parameter whose default is a frozen dataclass stands for all fields of it: options that many blocks share.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from archspec.graph import Tensor
from archspec.kinds import Kind, kind_of

F = TypeVar("F", bound=Callable[..., Tensor])
REQUIRED: Any = MISSING
ROW_KEYWORDS = ("name", "from", "repeat", "min_depth")
ENTRY_POINTS = "archspec.blocks"


class BlockError(Exception):
    """A block's function that does not follow the rules, or a module of blocks that cannot be loaded."""


@dataclass(frozen=True, eq=False)
class Option:
    """One option of a block. `bundle` is the parameter whose dataclass holds it, or empty."""

    name: str
    kind: Kind
    default: Any
    bundle: str = ""


@dataclass(frozen=True, eq=False)
class Block:
    """A block: its function, its options in order, and whether it reads several rows."""

    name: str
    function: Callable[..., Tensor]
    options: Mapping[str, Option]
    bundles: Mapping[str, type]
    several: bool

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments of the function from the options that a row sets; the others keep their defaults."""
        given = {name: values[name] for name, o in self.options.items() if name in values and not o.bundle}
        for bundle, made in self.bundles.items():
            own = {o.name: values.get(o.name, o.default) for o in self.options.values() if o.bundle == bundle}
            given[bundle] = made(**own)
        return given


BLOCKS: dict[str, Block] = {}


def block(function: F) -> F:
    """Register a block. Raises BlockError where the function breaks a rule, naming the rule."""
    made = _read(function)
    if made.name in BLOCKS and BLOCKS[made.name].function.__module__ != function.__module__:
        raise BlockError(f"block `{made.name}` is there already, from module {BLOCKS[made.name].function.__module__}")
    BLOCKS[made.name] = made
    return function


def load(module: str) -> None:
    """Import a module of blocks. Raises BlockError with the reason where it cannot be imported."""
    try:
        importlib.import_module(module)
    except BlockError:
        raise
    except Exception as error:  # a user's module may raise anything at all
        raise BlockError(f"cannot load blocks from `{module}`: {type(error).__name__}: {error}") from error


def load_entry_points() -> None:
    """Import every installed module of the entry-point group `archspec.blocks`. Raises BlockError."""
    from importlib.metadata import entry_points  # here, since it is slow and only the command line asks for it

    for entry in entry_points(group=ENTRY_POINTS):
        load(entry.module)


def _read(function: Callable[..., Tensor]) -> Block:
    name = function.__name__
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
        raise BlockError(f"block `{name}`: the name must be CamelCase")
    if not inspect.getdoc(function):
        raise BlockError(f"block `{name}`: a docstring is missing; it is the block's reference")
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) < 2:
        raise BlockError(f"block `{name}`: the first two parameters are the net and the tensor")
    options: dict[str, Option] = {}
    bundles: dict[str, type] = {}
    for parameter in parameters[2:]:
        if parameter.kind is not parameter.KEYWORD_ONLY:
            raise BlockError(f"block `{name}`: option `{parameter.name}` must be keyword-only")
        for option in _options(name, parameter, hints[parameter.name], bundles):
            if option.name in options or option.name in ROW_KEYWORDS:
                raise BlockError(f"block `{name}`: option `{option.name}` stands twice or is a word of the row")
            options[option.name] = option
    several = hints[parameters[1].name] != Tensor
    return Block(name, function, options, bundles, several)


def _options(name: str, parameter: inspect.Parameter, hint: Any, bundles: dict[str, type]) -> Sequence[Option]:
    default = REQUIRED if parameter.default is parameter.empty else parameter.default
    if is_dataclass(default) and not isinstance(default, type):
        bundles[parameter.name] = type(default)
        kinds = get_type_hints(type(default), include_extras=True)
        return [
            Option(f.name, kind_of(kinds[f.name]), getattr(default, f.name), parameter.name) for f in fields(default)
        ]
    try:
        return [Option(parameter.name, kind_of(hint), default)]
    except TypeError as error:
        raise BlockError(f"block `{name}`: option `{parameter.name}`: {error}") from None
