"""What the graph wants: one slot for each layer that holds weights."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from archspec.weights.upstream import Upstream

Shape = tuple[int, ...]
Signature = tuple[str, tuple[tuple[str, Shape], ...]]


@dataclass(frozen=True)
class Slot:
    """One layer of the compiled graph that holds weights; a network is slots in topological order.

    `kind` is "conv", "depthwise", "transpose", "dense" or "norm". `weights` has Keras' order and Keras'
    layouts: Conv2D kernel (kh, kw, cin/groups, cout), DepthwiseConv2D kernel (kh, kw, cin, multiplier),
    Conv2DTranspose kernel (kh, kw, cout, cin), Dense kernel (cin, cout); norm: gamma (absent when scale is
    off), beta, moving_mean, moving_variance. `above` holds the indices of all slots upstream of this one.
    `reads` is what it reads, by layer names; None where that is not known. `follows` is the factor that alone reads
    it, or the activation.
    """

    layer: str
    row: str
    block: str
    role: str
    kind: str
    weights: tuple[tuple[str, Shape], ...]
    above: frozenset[int]
    reads: Upstream | None = None
    follows: float | str | None = None

    @property
    def signature(self) -> Signature:
        """What a source must offer to fill this slot."""
        return (self.kind, self.weights)

    @property
    def instance(self) -> str:
        """The one application of the block this layer belongs to: `c3_1` for `c3_1_expand`."""
        return self.layer.removesuffix(f"_{self.role}")


def totally_ordered(slots: Sequence[Slot], chosen: Sequence[int]) -> bool:
    """Whether each of the chosen slots (indices, ascending) is upstream of the next one."""
    return all(a in slots[b].above for a, b in itertools.pairwise(chosen))


def show_shape(shape: Shape) -> str:
    """`3×3×6×36`; `scalar` for a tensor without axes."""
    return "×".join(map(str, shape)) or "scalar"


def show_weights(weights: Sequence[tuple[str, Shape]]) -> str:
    """`kernel 3×3×6×36, bias 36`."""
    return ", ".join(f"{name} {show_shape(shape)}" for name, shape in weights)
