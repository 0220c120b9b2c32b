"""Where examples come from, one module a source."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archspec.photo import InputContract
from archspec.recipe import Train
from archspec.recipes import source_of
from archspec.train.examples import Example, ExampleError, Source
from archspec.train.order import held_out


@dataclass(frozen=True)
class Asked:
    """What a source is opened for: the recipe, the input contract, the folder that paths count from."""

    train: Train
    contract: InputContract
    folder: Path

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return self.contract.size[0], self.contract.size[1]

    def at(self, path: str) -> Path:
        """A path of the spec."""
        return self.folder / Path(path).expanduser()


@dataclass(frozen=True)
class Part:
    """Some examples of a source."""

    source: Source
    chosen: NDArray[np.int64]

    @property
    def labels(self) -> tuple[str, ...]:
        return self.source.labels

    def __len__(self) -> int:
        return len(self.chosen)

    def name(self, index: int) -> str:
        return self.source.name(int(self.chosen[index]))

    def read(self, index: int) -> Example:
        return self.source.read(int(self.chosen[index]))


def open_sources(asked: Asked) -> tuple[Source, Source]:
    """The examples to train on, and those to measure on. Raises ExampleError."""
    data = asked.train.data
    module = import_module(f"{__name__}.{source_of(asked.train)}")
    if data.validation is not None:
        first, second = module.open_source(asked, data.path), module.open_source(asked, data.validation)
        if first.labels != second.labels:
            raise ExampleError(f"the classes of {data.path} are not those of {data.validation}")
        return first, second
    whole = module.open_source(asked, data.path)
    try:
        trained, measured = held_out(len(whole), data.holdout, asked.train.seed)
    except ValueError as error:
        raise ExampleError(f"{data.path or source_of(asked.train)}: {error}") from None
    return Part(whole, trained), Part(whole, measured)
