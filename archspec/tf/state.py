"""All variables of a training run as one file, which is whole or absent, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archspec.files import write_whole
from archspec.train import TrainError
from archspec.train.run import FACTS


class StateError(TrainError):
    """A state that is not of this run."""


def save(path: Path, groups: Mapping[str, Iterable[Any]], facts: Mapping[str, Any]) -> None:
    """Write groups of Keras variables and some facts (JSON) as safetensors. Raises OSError."""
    from safetensors.numpy import save as encode

    arrays = {name: np.asarray(variable) for name, variable in _named(groups).items()}
    write_whole(path, encode(arrays, {FACTS: json.dumps(facts)}))


def restore(path: Path, groups: Mapping[str, Iterable[Any]]) -> dict[str, Any]:
    """Set the variables of groups from a file that `save` wrote; the facts. Raises StateError, OSError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            named = _named(groups)
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
            facts: dict[str, Any] = json.loads(file.metadata()[FACTS])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise StateError(f"{path}: not the state of a run") from error
    shapes = {name: tuple(variable.shape) for name, variable in named.items()}
    if shapes != {name: array.shape for name, array in stored.items()}:
        odd = sorted(set(shapes) ^ set(stored)) or [n for n in shapes if shapes[n] != stored[n].shape]
        raise StateError(f"{path}: the state of another network or recipe: `{odd[0]}`")
    for name, variable in named.items():
        variable.assign(stored[name])
    return facts


def _named(groups: Mapping[str, Iterable[Any]]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for group, variables in groups.items():
        for variable in variables:
            name = f"{group}/{variable.path}"
            if name in named:
                raise StateError(f"two variables are called {name}")
            named[name] = variable
    return named
