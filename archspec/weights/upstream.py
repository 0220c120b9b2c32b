"""What a layer reads: through layers without weights up to the nearest layers that hold weights, or to the image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

IMAGE = ""  # stands where a layer's name does
ASSOCIATIVE = ("concat", "add", "multiply")  # one in another of its kind is the same as its parts in the other
BESIDE = "beside"  # a concatenation in any order
COMMUTING = ("add", "multiply", "maximum", "minimum", "average", "any", BESIDE)
MOST = 2000  # parts inside of parts, of one layer
DEEPEST = 50


class TangledError(Exception):
    """More merges between two layers than are followed."""


class Join(NamedTuple):
    """Several tensors made one (`concat`, `add`, `multiply`, ...), or one that is pooled (`max`, `avg`).

    The parts of a concatenation stand in the order of its channels. `size` and `depth` count joins and names.
    """

    kind: str
    parts: tuple[Upstream, ...]
    size: int
    depth: int


Upstream: TypeAlias = str | Join
"""The name of a layer with weights, IMAGE, or what joins some of these. Activations, padding, shapes are not told."""


def join(kind: str, parts: Iterable[Upstream]) -> Upstream:
    """The parts joined, in one form however it was written: sums of sums are one sum, x * f(x) is x.

    Raises TangledError.
    """
    flat: list[Upstream] = []
    for part in parts:
        inner = part.parts if isinstance(part, Join) and part.kind == kind and kind in ASSOCIATIVE else (part,)
        flat += inner
    if kind in COMMUTING:
        flat = list(dict.fromkeys(flat))
    if len(flat) == 1 and kind not in ("max", "avg"):
        return flat[0]
    joins = [part for part in flat if isinstance(part, Join)]
    size = 1 + len(flat) - len(joins) + sum(part.size for part in joins)
    depth = 1 + max((part.depth for part in joins), default=0)
    if size > MOST or depth > DEEPEST or not flat:
        raise TangledError
    return Join(kind, tuple(flat), size, depth)


def leaves(reads: Upstream) -> frozenset[str]:
    """The names in it."""
    return frozenset((reads,)) if isinstance(reads, str) else frozenset().union(*map(leaves, reads.parts))


def without_pools(reads: Upstream) -> Upstream:
    """The same for sources that pool in another way, or call it otherwise."""
    if isinstance(reads, str):
        return reads
    parts = [without_pools(part) for part in reads.parts]
    return parts[0] if reads.kind in ("max", "avg") else join(reads.kind, parts)


def unordered(reads: Upstream) -> Upstream:
    """`without_pools`, with the order of concatenations forgotten."""

    def forget(reads: Upstream) -> Upstream:
        if isinstance(reads, str):
            return reads
        return reads._replace(
            kind=BESIDE if reads.kind == "concat" else reads.kind, parts=tuple(map(forget, reads.parts))
        )

    return forget(without_pools(reads))


def merged(reads: Upstream) -> Upstream:
    """Which layers are read, and no more."""
    return join("any", sorted(leaves(reads)))
