"""A CSV of image,annotation pairs: thin edges drawn on a black picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archspec.pairs import Pair, PairError, read_pairs, truth_map
from archspec.photo import InputContract, PhotoError, read_photo
from archspec.train.examples import Example, ExampleError
from archspec.train.sources import Asked


def open_source(asked: Asked, path: str | None) -> Pairs:
    """Raises ExampleError."""
    assert path is not None, "the recipe's check asks for it"
    try:
        return Pairs(read_pairs(asked.at(path)), asked.contract)
    except PairError as error:
        raise ExampleError(str(error)) from error


@dataclass(frozen=True)
class Pairs:
    """Pictures with their edges at the input's size."""

    pairs: tuple[Pair, ...]
    contract: InputContract
    labels: tuple[str, ...] = ("edge",)

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        return str(self.pairs[index].image)

    def read(self, index: int) -> Example:
        pair, size = self.pairs[index], self.contract.size[:2]
        try:
            photo = read_photo(pair.image)
            edges = truth_map(pair.annotation, size, self.contract.resize, photo.size)
        except (PhotoError, PairError) as error:
            raise ExampleError(str(error)) from error
        return Example(np.asarray(photo), {"edges": edges})
