"""`--map SOURCE=LAYER`: what a person says about names, before structure is asked."""

import re
from collections.abc import Sequence

from archspec.weights.errors import WeightsError
from archspec.weights.slots import Slot
from archspec.weights.units import Unit


def parse_map(text: str) -> tuple[str, str]:
    """`hed/dsn*/conv2d=side*_conv` -> the two patterns. Raises WeightsError where it is no such pair."""
    source, equals, layer = text.partition("=")
    if not equals or not source:
        raise WeightsError(f"--map {text!r}: write SOURCE=LAYER, such as 'hed/dsn*/conv2d=side*_conv'")
    if layer.count("*") > source.count("*"):
        raise WeightsError(f"--map {text!r}: LAYER has a `*` that SOURCE has not")
    return source, layer


def apply_maps(
    maps: Sequence[tuple[str, str]], units: Sequence[Unit], slots: Sequence[Slot]
) -> tuple[set[int], dict[int, int]]:
    """Units to drop, and unit -> slot. A `*` takes any text and stands for the same in the layer's name.

    A scope whose layer does not exist is left to structure. Raises WeightsError for a map that matches
    nothing, and for scopes and layers that are claimed twice.
    """
    layers = {slot.layer: s for s, slot in enumerate(slots)}
    dropped: set[int] = set()
    pairs: dict[int, int] = {}
    errors: list[str] = []
    for source, layer in maps:
        hits = [(u, m) for u, unit in enumerate(units) if (m := _compile(source).fullmatch(unit.scope))]
        named = {u: _fill(layer, m) for u, m in hits}
        if not layer:
            dropped |= named.keys()
        elif not any(name in layers for name in named.values()):
            known = f"gives layer {', '.join(sorted(named.values()))}, which the network has not" if named else ""
            errors.append(f"--map '{source}={layer}' {known or 'matches no scope of the source'}")
        if not named and not layer:
            errors.append(f"--map '{source}=' matches no scope of the source")
        for u, name in named.items():
            s = layers.get(name)
            if s is None:
                continue
            if pairs.get(u, s) != s or (s in pairs.values() and u not in pairs):
                errors.append(f"--map '{source}={layer}': `{units[u].scope}` or layer `{name}` is mapped twice")
            pairs[u] = s
    errors += [f"--map both drops and maps `{units[u].scope}`" for u in sorted(dropped & pairs.keys())]
    if errors:
        raise WeightsError("\n".join(errors))
    return dropped, pairs


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(re.escape(part) for part in pattern.split("*")))


def _fill(layer: str, found: re.Match[str]) -> str:
    first, *rest = layer.split("*")
    return first + "".join(text + part for text, part in zip(found.groups(), rest, strict=False))
