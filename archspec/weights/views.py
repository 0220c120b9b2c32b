"""How a unit's tensors can be read as a slot's weights: which axes move, which kind they make."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from archspec.weights.slots import Shape, Signature
from archspec.weights.units import POSITIONAL, Unit

AS_STORED: tuple[int, ...] = ()
HWIO = (2, 3, 1, 0)  # from PyTorch: OIHW of a convolution; IOHW of a transposed one, for which Keras wants HWOI


@dataclass(frozen=True)
class Part:
    """One weight out of one tensor: transpose to `axes` (AS_STORED: leave them), then reshape to `shape`."""

    weight: str
    tensor: str
    axes: tuple[int, ...]
    shape: Shape


@dataclass(frozen=True)
class View:
    """A unit read as a layer of `kind`. `ignored` are tensors that change nothing, a gamma of ones."""

    kind: str
    parts: tuple[Part, ...]
    ignored: tuple[str, ...] = ()

    @property
    def signature(self) -> Signature:
        return (self.kind, tuple((part.weight, part.shape) for part in self.parts))


def views(
    unit: Unit,
    wanted: Collection[Signature],
    is_ones: Callable[[str], bool],
    is_zeros: Callable[[str], bool],
    strict: bool = True,
) -> list[View]:
    """The readings of a unit that some slot wants, one a signature.

    A gamma of ones and a bias of zeros may be left out.
    A 1x1 convolution and a dense layer hold the same numbers; one is read as the other only where nothing
    wants the unit as it is. With `strict` off the kind its name suggests is not asked for: someone has said
    which slot it is.
    """
    if not unit.parts:
        return []
    if unit.kind == POSITIONAL:
        return [] if strict else [view for signature in wanted if (view := _positional(unit, signature))]
    if unit.norm:
        return [view for view in _norms(unit, is_ones) if view.signature in wanted][:1]
    kernel = unit.parts["kernel"][1]
    kinds = [unit.kind] if unit.kind and strict else ["conv", "depthwise", "transpose", "dense"]
    without = "bias" in unit.parts and is_zeros(unit.parts["bias"][0])
    plain = _wanted([view for kind in kinds for view in _kernels(unit, kind, kernel)], wanted, without)
    if plain or unit.kind == "depthwise" or unit.kind == "transpose":
        return plain
    return _wanted(_pointwise(unit, kernel), wanted, without)


def _wanted(found: list[View], wanted: Collection[Signature], without_bias: bool) -> list[View]:
    if without_bias:
        found = found + [View(view.kind, view.parts[:1], (view.parts[1].tensor,)) for view in found]
    return [view for view in found if view.signature in wanted]


def natural(unit: Unit, kind: str) -> View | None:
    """The reading to show beside a slot of `kind` that the unit does not fit; None where there is none."""
    if not unit.parts or unit.kind == POSITIONAL:
        return None
    if unit.norm:
        return _norms(unit, lambda _: False)[0]
    return next(iter(_kernels(unit, unit.kind or kind, unit.parts["kernel"][1])), None)


def _positional(unit: Unit, signature: Signature) -> View | None:
    """Weights in the slot's order, if the shapes agree."""
    kind, weights = signature
    stored = list(unit.parts.values())
    if [shape for _, shape in stored] != [shape for _, shape in weights]:
        return None
    pairs = zip(weights, stored, strict=True)
    return View(kind, tuple(Part(weight, tensor, AS_STORED, shape) for (weight, shape), (tensor, _) in pairs))


def _norms(unit: Unit, is_ones: Callable[[str], bool]) -> list[View]:
    parts = tuple(Part(weight, tensor, AS_STORED, shape) for weight, (tensor, shape) in unit.parts.items())
    found = [View("norm", parts)]
    if parts[0].weight == "gamma" and len(parts) > 1 and is_ones(parts[0].tensor):
        found.append(View("norm", parts[1:], (parts[0].tensor,)))
    return found


def _kernels(unit: Unit, kind: str, kernel: Shape) -> list[View]:
    if (kind == "dense") != (len(kernel) == 2):
        return []
    if not unit.torch:
        return [_view(unit, kind, AS_STORED, kernel)]
    if kind == "dense":
        return [_view(unit, kind, (1, 0), (kernel[1], kernel[0]))]
    out, per_group, height, width = kernel
    if kind == "depthwise":
        # PyTorch's (C*M, 1, H, W) keeps the M outputs of a channel together, as Keras' (H, W, C, M) does.
        shapes = [(height, width, out // m, m) for m in range(1, out + 1) if out % m == 0 and per_group == 1]
        return [_view(unit, kind, HWIO, shape) for shape in shapes]
    return [_view(unit, kind, HWIO, (height, width, per_group, out))]


def _pointwise(unit: Unit, kernel: Shape) -> list[View]:
    """A 1x1 convolution as a dense layer, a dense layer as a 1x1 convolution."""
    if len(kernel) == 2:
        cin, cout = kernel[::-1] if unit.torch else kernel
        return [_view(unit, "conv", (1, 0) if unit.torch else AS_STORED, (1, 1, cin, cout))]
    if unit.torch and kernel[2:] == (1, 1):
        return [_view(unit, "dense", HWIO, (kernel[1], kernel[0]))]
    if not unit.torch and kernel[:2] == (1, 1):
        return [_view(unit, "dense", AS_STORED, kernel[2:])]
    return []


def _view(unit: Unit, kind: str, axes: tuple[int, ...], shape: Shape) -> View:
    parts = [Part("kernel", unit.parts["kernel"][0], axes, shape)]
    if "bias" in unit.parts:
        tensor, bias = unit.parts["bias"]
        parts.append(Part("bias", tensor, AS_STORED, bias))
    return View(kind, tuple(parts))
