"""Slot lists and sources for the tests of the weights import, written by hand or drawn from a Keras model."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from archspec.weights import Slot, Source

Shape = tuple[int, ...]


class Table:
    """Collects slots in topological order; a layer names the layers it reads, `above` follows."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []

    def add(
        self, layer: str, row: str, block: str, role: str, kind: str, reads: Sequence[str], **weights: Shape
    ) -> str:
        index = {slot.layer: i for i, slot in enumerate(self.slots)}
        direct = {index[name] for name in reads}
        above = frozenset(direct.union(*(self.slots[i].above for i in direct)))
        self.slots.append(Slot(layer, row, block, role, kind, tuple(weights.items()), above))
        return layer

    def norm(self, layer: str, row: str, block: str, role: str, reads: Sequence[str], depth: int) -> str:
        vectors = dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (depth,))
        return self.add(layer, row, block, role, "norm", reads, **vectors)


def chain(*rows: tuple[str, str, Mapping[str, Shape]]) -> list[Slot]:
    """Slots of one row `x`, each reading the one before; a row gives role, kind and weights."""
    table, last = Table(), list[str]()
    for role, kind, weights in rows:
        last = [table.add(f"x_{role}", "x", "Block", role, kind, last, **weights)]
    return table.slots


def arrays_for(slots: Sequence[Slot], seed: int = 0) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    """Random values for every weight of every layer; no two alike."""
    rng = np.random.default_rng(seed)
    return {
        slot.layer: {name: rng.normal(size=shape).astype(np.float32) for name, shape in slot.weights} for slot in slots
    }


def source_of(
    arrays: Mapping[str, Mapping[str, np.ndarray[Any, Any]]], scopes: Mapping[str, str], **facts: Any
) -> Source:
    """A source that holds each layer's arrays under another scope."""
    tensors = {f"{scopes[layer]}/{leaf}": a for layer, leaves in arrays.items() for leaf, a in leaves.items()}
    return Source("test", tensors, **facts)


def torch_source(slots: Sequence[Slot], arrays: Mapping[str, Mapping[str, Any]], scopes: Mapping[str, str]) -> Source:
    """The layers' arrays as PyTorch names and stores them."""
    leaves = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    tensors = {}
    for slot in slots:
        for name, array in arrays[slot.layer].items():
            leaf, value = leaves.get(name, name), array
            if name == "kernel":
                leaf, value = "weight", torch_kernel(slot.kind, array)
            tensors[f"{scopes[slot.layer]}.{leaf}"] = value
    return Source("safetensors", tensors)


def torch_kernel(kind: str, kernel: Any) -> Any:
    """A Keras kernel in PyTorch's layout, channel by channel, from the definition of both layouts."""
    if kind == "dense":
        return np.stack([kernel[:, o] for o in range(kernel.shape[1])])
    third, fourth = kernel.shape[2:]
    if kind == "depthwise":  # output channel c * multiplier + m
        return np.stack([kernel[None, :, :, c, m] for c in range(third) for m in range(fourth)])
    # conv: kernel[h, w, i, o] -> weight[o, i, h, w]; transpose: kernel[h, w, o, i] -> weight[i, o, h, w]
    return np.stack([np.stack([kernel[:, :, a, b] for a in range(third)]) for b in range(fourth)])


def mobilenet_v2_hed() -> list[Slot]:
    """The document-edge network: thin MobileNet v2 trunk with HED side outputs."""
    table = Table()
    last, depth = list[str](), 3
    ends: dict[str, tuple[list[str], int]] = {}
    for row, out in (("conv_1", 3), ("c1", 6), ("conv_2", 12)):
        conv = table.add(f"{row}_conv", row, "Conv", "conv", "conv", last, kernel=(3, 3, depth, out))
        last, depth = [table.norm(f"{row}_bn", row, "Conv", "bn", [conv], out)], out
        ends[row] = (last, depth)
    trunk = (
        ("c2", 6, 1, 1, 1),
        ("c3", 12, 6, 2, 2),
        ("c4", 24, 6, 2, 3),
        ("inverted_residual_1", 48, 6, 2, 4),
        ("c5", 64, 6, 1, 3),
    )
    for row, out, expansion, stride, repeat in trunk:
        for i in range(repeat):
            name = f"{row}_{i + 1}" if repeat > 1 else row
            last = inverted_residual(table, name, row, last, depth, out, expansion, stride if i == 0 else 1)
            depth = out
        ends[row] = (last, depth)
    sides = []
    for i, row in enumerate(("c1", "c2", "c3", "c4", "c5")):
        sides.append(_side_output(table, f"side{i + 1}", *ends[row], 2**i))
    table.add("fuse_conv", "fuse", "Logits", "conv", "conv", sides, kernel=(1, 1, 5, 1), bias=(1,))
    return table.slots


def inverted_residual(
    table: Table, name: str, row: str, reads: list[str], depth: int, out: int, expansion: int, stride: int
) -> list[str]:
    """Expand, depthwise, project; a projected shortcut where the stride is 1 and the depth changes."""
    block, inner, before = "InvertedResidual", depth * expansion, reads
    for role, kind, kernel, width in (
        ("expand", "conv", (1, 1, depth, inner), inner),
        ("depthwise", "depthwise", (3, 3, inner, 1), inner),
        ("project", "conv", (1, 1, inner, out), out),
    ):
        conv = table.add(f"{name}_{role}", row, block, role, kind, reads, kernel=kernel)
        reads = [table.norm(f"{name}_{role}_bn", row, block, f"{role}_bn", [conv], width)]
    if stride == 1 and depth != out:
        conv = table.add(f"{name}_shortcut", row, block, "shortcut", "conv", before, kernel=(1, 1, depth, out))
        return [*reads, table.norm(f"{name}_shortcut_bn", row, block, "shortcut_bn", [conv], out)]
    return [*reads, *before] if stride == 1 else reads


def _side_output(table: Table, row: str, reads: list[str], depth: int, factor: int) -> str:
    conv = table.add(f"{row}_conv", row, "SideOutput", "conv", "conv", reads, kernel=(1, 1, depth, 1))
    last = table.norm(f"{row}_bn", row, "SideOutput", "bn", [conv], 1)
    if factor == 1:
        return last
    kernel = (2 * factor, 2 * factor, 1, 1)
    return table.add(f"{row}_upsample", row, "SideOutput", "upsample", "transpose", [last], kernel=kernel, bias=(1,))


KINDS = {
    "Conv2D": "conv",
    "DepthwiseConv2D": "depthwise",
    "Conv2DTranspose": "transpose",
    "Dense": "dense",
    "BatchNormalization": "norm",
}


def slots_of(model: Any, rename: Sequence[tuple[str, str]]) -> tuple[list[Slot], dict[str, str]]:
    """Slots of a Keras model under names of our own, and our layer name -> the model's.

    The first pattern of `rename` that fits a layer's name in full gives `row block role`, groups filled in.
    """
    table, ours = Table(), dict[str, str]()
    feeds: dict[str, list[str]] = {}
    for layer in model.layers:
        parents = [p.operation.name for node in layer._inbound_nodes for p in node.parent_nodes]
        reads = sorted({name for parent in parents for name in feeds.get(parent, [])})
        feeds[layer.name] = reads
        if not layer.weights:
            continue
        pattern, target = next((p, t) for p, t in rename if re.fullmatch(p, layer.name))
        row, block, role = re.sub(pattern, target, layer.name).split()
        weights = {w.path.rpartition("/")[2]: tuple(w.shape) for w in layer.weights}
        name = table.add(f"{row}_{role}", row, block, role, KINDS[type(layer).__name__], reads, **weights)
        feeds[layer.name] = [name]
        ours[name] = layer.name
    return table.slots, ours
