"""From the positions of a run to what a step takes: read, fitted, varied, in model units, with its truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.photo import InputContract, coloured, in_units
from archspec.recipe import Train
from archspec.train.augment import augment
from archspec.train.examples import Example, ExampleError, Source
from archspec.train.fit import fit
from archspec.train.order import dice, example_at
from archspec.train.tasks import Task

IMAGE = "image"  # of what a step takes; the rest is truth
KEPT = 3_000_000_000  # bytes of fitted examples that are kept in memory

Fed = dict[str, NDArray[Any]]


@dataclass
class Feed:
    """Examples as a network takes them. Those that were read once are kept, up to `KEPT` bytes.

    `report` is told of an example that cannot be read, where the recipe says to skip those.
    """

    source: Source
    contract: InputContract
    task: Task
    train: Train
    report: Callable[[str], None]
    kept: dict[int, Example] = field(default_factory=dict)
    size: int = 0
    broken: set[str] = field(default_factory=set)

    def each(self) -> Iterator[tuple[Example, Fed]]:
        """Every example once, as it is, with what is fed of it. Raises ExampleError, TaskError."""
        for _, example in readable(self._fitted, len(self.source), self.train.data.broken, self._told):
            yield example, self._fed(example)

    def at(self, position: int) -> Fed:
        """The example at a position of the run, varied as the recipe says. Raises ExampleError, TaskError."""
        random = dice(self.train.seed, position)
        made = self._varied(example_at(position, len(self.source), self.train.seed), random)
        if self.train.augment.mixup and self.task.mixes:
            other = self._varied(int(random.integers(len(self.source))), random)
            share = np.float32(random.beta(self.train.augment.mixup, self.train.augment.mixup))
            made = {name: share * made[name] + (1 - share) * other[name] for name in made}
        return made

    def files(self, positions: range) -> list[str]:
        """What the examples at some positions are called."""
        seed, count = self.train.seed, len(self.source)
        return [self.source.name(example_at(position, count, seed)) for position in positions]

    def _varied(self, index: int, random: np.random.Generator) -> Fed:
        return self._fed(augment(self._readable(index), self.train.augment, random))

    def _readable(self, index: int) -> Example:
        """The example, or the next one that can be read where broken ones are skipped."""
        count = len(self.source)
        turned = readable(lambda i: self._fitted((index + i) % count), count, self.train.data.broken, self._told)
        return next(turned)[1]

    def _told(self, error: ExampleError) -> None:
        """Report each broken example once."""
        if str(error) not in self.broken:
            self.broken.add(str(error))
            self.report(str(error))

    def _fitted(self, index: int) -> Example:
        if index in self.kept:
            return self.kept[index]
        example = fit(self.source.read(index), self.contract)
        size = example.image.nbytes + sum(value.nbytes for value in example.truth.values())
        if self.size + size <= KEPT:
            self.kept[index] = example
            self.size += size
        return example

    def _fed(self, example: Example) -> Fed:
        pixels = coloured(example.image, self.contract)
        return {IMAGE: in_units(pixels, self.contract), **self.task.truth(example)}


def readable(
    read: Callable[[int], Example], count: int, broken: str, report: Callable[[ExampleError], None]
) -> Iterator[tuple[int, Example]]:
    """The examples 0 to `count`, in order; where `broken` is `skip`, without those that cannot be read.

    Raises ExampleError where one cannot be read and is not to be skipped, and where none can.
    """
    found = False
    for index in range(count):
        try:
            example = read(index)
        except ExampleError as error:
            if broken == "stop":
                raise
            report(error)
            continue
        found = True
        yield index, example
    if not found:
        raise ExampleError("no example can be read")


def mean_of(examples: Iterator[tuple[int, Example]], contract: InputContract) -> tuple[float, ...]:
    """The mean of all pixels of examples, fitted, of each channel of the contract, 0 to 255. Raises ExampleError."""
    total, count = np.zeros(contract.size[2]), 0
    for _, example in examples:
        total += coloured(fit(example, contract).image, contract).mean((0, 1), dtype=np.float64)
        count += 1
    return tuple(float(value) for value in total / count)
