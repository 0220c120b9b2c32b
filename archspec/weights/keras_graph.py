"""What the layers of a Keras model read, from its configuration. No layer is made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeAlias

from archspec.weights.upstream import IMAGE, TangledError, Upstream, join

Layer: TypeAlias = Mapping[str, Any]
Call: TypeAlias = list[tuple[str, int, int]]  # the tensors of one call: layer, which of its calls, which output
Given: TypeAlias = Callable[[int], Upstream]  # the n-th tensor that a model takes, or gives

JOINS = {
    "Concatenate": "concat",
    "Add": "add",
    "CustomScaleLayer": "add",  # keras.applications' inception_resnet_v2: x + scale * y
    "Multiply": "multiply",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Average": "average",
}
POOLS = {
    "MaxPooling2D": "max",
    "GlobalMaxPooling2D": "max",
    "AveragePooling2D": "avg",
    "GlobalAveragePooling2D": "avg",
}
LAST_AXES = (-1, 3)  # of a map (batch, height, width, channels)


def read_graph(config: Any, weighted: Collection[str]) -> dict[str, Upstream]:
    """What each scope of `weighted` reads; layers of inner models go by `model/layer`.

    Nothing where the configuration tells no graph, one without some of these scopes, or one in which a layer with
    weights runs more than once.
    """
    try:
        found = _model(config, "", weighted, lambda _: IMAGE).reads()
        return found if found.keys() == set(weighted) else {}
    except (TangledError, KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _model(config: Any, prefix: str, weighted: Collection[str], given: Given) -> _Functional | _Sequential:
    kind = _Functional if "input_layers" in config else _Sequential
    return kind(config, prefix, weighted, given)


def _is_model(layer: Layer) -> bool:
    return isinstance(layer["config"], dict) and isinstance(layer["config"].get("layers"), list)


class _Sequential:
    """Layers one after another."""

    def __init__(self, config: Any, prefix: str, weighted: Collection[str], given: Given) -> None:
        self._layers: Sequence[Layer] = config if isinstance(config, list) else config["layers"]
        self._prefix, self._weighted, self._given = prefix, weighted, given

    def reads(self) -> dict[str, Upstream]:
        return self._run[0]

    def output(self, number: int) -> Upstream:
        return self._run[1](number)

    @cached_property
    def _run(self) -> tuple[dict[str, Upstream], Given]:
        """What each scope reads, and what the last layer gives."""
        found: dict[str, Upstream] = {}
        gives = self._given
        for layer in self._layers:
            scope = self._prefix + _name(layer)
            if _is_model(layer):
                inner = _model(layer["config"], f"{scope}/", self._weighted, gives)
                found |= inner.reads()
                gives = inner.output
            elif scope in self._weighted:
                found[scope] = gives(0)
                gives = partial(_only, scope)
            elif layer["class_name"] != "InputLayer":
                gives = partial(_only, _joined(layer, [gives(0)]))
        return found, gives


class _Functional:
    """Layers that say what they read. Their calls are followed from where a tensor is wanted."""

    def __init__(self, config: Any, prefix: str, weighted: Collection[str], given: Given) -> None:
        self._layers: dict[str, Layer] = {_name(layer): layer for layer in config["layers"]}
        self._calls = {name: _calls(layer) for name, layer in self._layers.items()}
        self._inputs = [name for name, _, _ in _references(config["input_layers"])]
        self._outputs = _references(config["output_layers"])
        self._prefix, self._weighted, self._given = prefix, weighted, given
        self._known: dict[tuple[str, int, int], Upstream] = {}
        self._inner = {
            name: _model(layer["config"], f"{prefix}{name}/", weighted, self._inputs_of(name))
            for name, layer in self._layers.items()
            if _is_model(layer)
        }

    def reads(self) -> dict[str, Upstream]:
        found: dict[str, Upstream] = {}
        for name, calls in self._calls.items():
            if name in self._inner:
                found |= self._inner[name].reads()
            elif self._prefix + name in self._weighted:
                (call,) = calls
                found[self._prefix + name] = self._value(*call[0])
        return found

    def output(self, number: int) -> Upstream:
        return self._value(*self._outputs[number])

    def _inputs_of(self, name: str) -> Given:
        def given(number: int) -> Upstream:
            (call,) = self._calls[name]
            return self._value(*call[number])

        return given

    def _value(self, name: str, call: int, output: int) -> Upstream:
        at = (name, call, output)
        if at not in self._known:
            self._known[at] = self._found(*at)
        return self._known[at]

    def _found(self, name: str, call: int, output: int) -> Upstream:
        if self._prefix + name in self._weighted:
            return self._prefix + name
        if name in self._inner:
            return self._inner[name].output(output)
        if name in self._inputs:
            return self._given(self._inputs.index(name))
        return _joined(self._layers[name], [self._value(*tensor) for tensor in self._calls[name][call]])


def _joined(layer: Layer, parts: Sequence[Upstream]) -> Upstream:
    """What a layer without weights makes of what it reads: itself, unless it joins or pools."""
    name = layer["class_name"]
    if name in POOLS:
        return join(POOLS[name], parts)
    if len(parts) == 1:
        return parts[0]
    if name == "Concatenate" and layer["config"].get("axis", -1) not in LAST_AXES:
        return join(f"concat along {layer['config']['axis']}", parts)
    return join(JOINS.get(name, f"layer {name}"), parts)


def _only(tensor: Upstream, number: int) -> Upstream:
    return tensor


def _name(layer: Layer) -> str:
    return str(layer.get("name") or layer["config"]["name"])


def _calls(layer: Layer) -> list[Call]:
    return [list(_tensors(call)) for call in layer.get("inbound_nodes") or ()]


def _tensors(value: Any) -> Iterator[tuple[str, int, int]]:
    """The tensors in a call's arguments: objects of their own in Keras 3, lists of [layer, call, output] before."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, call, output = value["config"]["keras_history"]
            yield str(name), int(call), int(output)
            return
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, list):
        if _is_reference(value):
            yield value[0], value[1], value[2]
            value = value[3:]
        for inner in value:
            yield from _tensors(inner)


def _is_reference(value: list[Any]) -> bool:
    return len(value) >= 3 and isinstance(value[0], str) and type(value[1]) is int and type(value[2]) is int


def _references(value: Any) -> list[tuple[str, int, int]]:
    """The tensors that a model takes or gives, in order; those of a dict in the order of its keys."""
    if isinstance(value, dict):
        return [found for key in sorted(value) for found in _references(value[key])]
    if _is_reference(value):
        return [(value[0], value[1], value[2])]
    return [found for inner in value for found in _references(inner)]
