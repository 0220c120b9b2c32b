"""The source's side: tensors grouped by scope into units, one unit for each layer of the foreign network."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.weights.errors import WeightsError
from archspec.weights.slots import Shape, Slot, show_shape
from archspec.weights.upstream import IMAGE, Join, Upstream, join

Array = npt.NDArray[Any]

NORM_LEAVES = ("gamma", "beta", "moving_mean", "moving_variance")
LEAVES = {
    "kernel": "kernel",
    "weights": "kernel",
    "weight": "weight",  # PyTorch's: a kernel or a gamma, and in PyTorch's layout
    "depthwise_kernel": "depthwise",
    "depthwise_weights": "depthwise",
    "pointwise_kernel": "pointwise",
    "pointwise_weights": "pointwise",
    "bias": "bias",
    "biases": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "moving_mean",
    "running_mean": "moving_mean",
    "moving_variance": "moving_variance",
    "running_var": "moving_variance",
}
HARD_SIGMOID, RELU6 = "hard_sigmoid", "relu6"  # the one is relu6(x + 3) / 6
POSITIONAL = "positional"  # weights in Keras' order, of which the file does not say which is which
CONVOLUTIONS = {  # Keras class or TF1 layer, snake case -> kind of the slot it fills
    "conv2d": "conv",
    "depthwise_conv2d": "depthwise",
    "conv2d_transpose": "transpose",
}


@dataclass(frozen=True)
class Source:
    """The tensors of one file, in the file's order.

    `classes` gives the Keras class (snake case) of a scope where the file says it. `order` gives a scope's
    stream and its place in it where the file keeps the layers in the model's order: places compare within one
    stream only. `skipped` names what is no weight of the network: optimizer slots, step counters, seeds.
    `reads` gives what each scope reads, by scopes, where the file holds the network's graph; else it is empty.
    `folded` says that biases stand for batch norms, and that constants behind a layer may be part of its weights;
    `follows` gives the constant that multiplies a scope's output instead, or the activation it is a part of.
    """

    format: str
    tensors: Mapping[str, Array]
    classes: Mapping[str, str] = field(default_factory=dict)
    order: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    reads: Mapping[str, Upstream] = field(default_factory=dict)
    folded: bool = False
    follows: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """One layer of the source. `parts` maps kernel, bias, gamma, ... to tensor name and shape as stored.

    `kind` is None where neither the file nor a name says it; `torch` says that the layout is PyTorch's. A
    unit without `parts` is one tensor that is no weight we know; one of kind POSITIONAL can only be placed by
    its name.
    """

    scope: str
    parts: Mapping[str, tuple[str, Shape]]
    kind: str | None
    torch: bool
    order: tuple[str, int] | None

    @property
    def norm(self) -> bool:
        return self.kind == "norm"

    @property
    def tensors(self) -> tuple[str, ...]:
        return tuple(tensor for tensor, _ in self.parts.values())

    @property
    def layer(self) -> str:
        """The scope that a norm behind it is named after: of a separable convolution's second half, the whole's."""
        halved = self.scope.endswith("/pointwise") and self.parts
        return split_leaf(self.tensors[0])[0] if halved else self.scope

    def __str__(self) -> str:
        """The unit's first tensor and its stored shape, as messages name it."""
        if not self.parts:
            return f"`{self.scope}`"
        tensor, shape = next(iter(self.parts.values()))
        return f"`{tensor}` {show_shape(shape)}"


def units(source: Source) -> list[Unit]:
    """Group tensors by scope. Raises WeightsError for a scope that holds one weight under two names."""
    scopes: dict[str, dict[str, tuple[str, Shape]]] = {}
    for name, array in source.tensors.items():
        scope, leaf = split_leaf(name)
        known = leaf if leaf.isdigit() and scope in source.classes else LEAVES.get(leaf)
        if known is None or not scope:
            scopes.setdefault(name, {})
            continue
        parts = scopes.setdefault(scope, {})
        if known in parts:
            raise WeightsError(f"tensors `{parts[known][0]}` and `{name}` are both the {known} of `{scope}`")
        parts[known] = (name, tuple(array.shape))
    return [unit for scope, parts in scopes.items() for unit in _split(source, scope, parts)]


def split_leaf(name: str) -> tuple[str, str]:
    """`a/b/kernel:0` -> (`a/b`, `kernel`); PyTorch's `a.b.weight` -> (`a.b`, `weight`)."""
    match = re.fullmatch(r"(?:(.*)[/.])?([^/.]+?)(?::\d+)?", name)
    return (match[1] or "", match[2]) if match else ("", name)


def scopes_of(tensors: Iterable[str]) -> set[str]:
    """The scopes of these tensors."""
    return {split_leaf(tensor)[0] for tensor in tensors}


def reads_of(source: Source, units: Sequence[Unit], live: Sequence[int]) -> dict[str, Upstream] | None:
    """What each unit of `live` (indices) reads, by units' scopes, through all others; None where that is not known.

    Raises TangledError.
    """
    last = {unit.layer: unit.scope for unit in units} | {unit.scope: unit.scope for unit in units}
    names = {units[u].scope for u in live}

    def through(reads: Upstream) -> Upstream:
        if isinstance(reads, Join):
            return join(reads.kind, map(through, reads.parts))
        scope = last.get(reads, reads)
        return scope if scope in names or reads == IMAGE else through(inputs[scope])

    inputs = dict(source.reads)
    for unit in units:
        if unit.layer != unit.scope:  # a separable convolution's second half
            first = f"{unit.layer}/depthwise"
            inputs |= {first: inputs[unit.layer], unit.scope: first} if unit.layer in inputs else {}
    if not inputs or not names <= inputs.keys():
        return None
    return {units[u].scope: through(inputs[units[u].scope]) for u in live}


def _split(source: Source, scope: str, parts: dict[str, tuple[str, Shape]]) -> list[Unit]:
    """A scope is one unit; a separable convolution is two, its bias following the pointwise kernel."""
    order = source.order.get(scope)
    if "depthwise" in parts and "pointwise" in parts:
        deep = {"kernel": parts["depthwise"]}
        point = {"kernel": parts["pointwise"], **({"bias": parts["bias"]} if "bias" in parts else {})}
        first, second = ((order[0], 2 * order[1]), (order[0], 2 * order[1] + 1)) if order else (None, None)
        return [
            Unit(f"{scope}/depthwise", deep, "depthwise", False, first),
            Unit(f"{scope}/pointwise", point, "conv", False, second),
        ]
    place = (order[0], 2 * order[1]) if order else None
    torch = "weight" in parts or any(split_leaf(t)[1] in ("running_mean", "running_var") for t, _ in parts.values())
    renamed, kind = _kind(source.classes.get(scope), scope, parts)
    if kind == "unknown":
        return [Unit(t, {}, None, torch, place) for t, _ in parts.values()] or [Unit(scope, {}, None, False, None)]
    return [Unit(scope, renamed, kind, torch, place)]


def _kind(
    keras_class: str | None, scope: str, parts: dict[str, tuple[str, Shape]]
) -> tuple[dict[str, tuple[str, Shape]], str | None]:
    """The parts under Keras' names in Keras' order, and the kind: None if open, "unknown" if none of ours."""
    names = set(parts)
    if names and all(name.isdigit() for name in names):
        return parts, POSITIONAL
    kernel = parts.get("kernel") or parts.get("weight")
    if "weight" in names and kernel is not None and len(kernel[1]) == 1:
        parts = {"gamma": kernel, **({"beta": parts["bias"]} if "bias" in parts else {}), **parts}
        names = set(parts) - {"weight", "bias"}
    if names and names <= set(NORM_LEAVES):
        return {leaf: parts[leaf] for leaf in NORM_LEAVES if leaf in names}, "norm"
    if "depthwise" in names and names <= {"depthwise", "bias"}:
        return _kernel_first(parts, "depthwise"), "depthwise"
    if "pointwise" in names and names <= {"pointwise", "bias"}:
        return _kernel_first(parts, "pointwise"), "conv"
    if kernel is None or not names <= {"kernel", "weight", "bias"} or len(kernel[1]) not in (2, 4):
        return parts, "unknown"
    if "weight" in names:
        return _kernel_first(parts, "weight"), "dense" if len(kernel[1]) == 2 else None
    label = keras_class or re.sub(r"_\d+$", "", re.split(r"[/.]", scope)[-1]).lower()
    return _kernel_first(parts, "kernel"), "dense" if len(kernel[1]) == 2 else CONVOLUTIONS.get(label)


def _kernel_first(parts: dict[str, tuple[str, Shape]], kernel: str) -> dict[str, tuple[str, Shape]]:
    return {"kernel": parts[kernel], **({"bias": parts["bias"]} if "bias" in parts else {})}


def all_ones(source: Source, tensor: str) -> bool:
    """Whether a gamma changes nothing."""
    return bool(np.all(source.tensors[tensor] == 1))


def count_norms(source: Source) -> int:
    """The scopes of a file that hold what only batch norms do: nothing but vectors, two or more."""
    shapes: dict[str, list[Shape]] = {}
    for name, array in source.tensors.items():
        shapes.setdefault(split_leaf(name)[0], []).append(tuple(array.shape))
    return sum(len(found) > 1 and all(len(shape) == 1 for shape in found) for found in shapes.values())


def idle_bias(source: Source, tensor: str) -> bool:
    """Whether a bias changes nothing, in a file that has one for every layer."""
    return source.folded and not np.any(source.tensors[tensor])


def taken_out(source: Source, unit: Unit, slot: Slot, weight: str) -> tuple[float, float]:
    """Factor and shift for a weight that a converter has made constants behind the layer a part of.

    Raises WeightsError where another activation is behind it.
    """
    behind = source.follows.get(unit.scope, 1.0)
    if not source.folded:
        return 1, 0
    if isinstance(slot.follows, float):
        return (behind if isinstance(behind, float) else 1) / slot.follows, 0
    if slot.follows == HARD_SIGMOID and behind == RELU6:
        raise WeightsError(f"{unit} has relu6 behind it, row `{slot.row}` (layer `{slot.layer}`) has hard_sigmoid")
    return 1, -3 if weight == "bias" and slot.follows == behind == HARD_SIGMOID else 0
