"""The ops that join tensors, part them and move channels about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.ops.base import FreeOp, Reach, Shape, ShapeError, need_map, part, show, volume


def _several(inputs: tuple[Shape, ...], what: str) -> None:
    if len(inputs) < 2:
        raise ShapeError(f"{what} needs two inputs or more, not {len(inputs)}")


def _all(shapes: tuple[Shape, ...]) -> str:
    return ", ".join(show(s) for s in shapes)


@dataclass(frozen=True)
class Add(FreeOp):
    """The sum of equal shapes."""

    def shape(self, *inputs: Shape) -> Shape:
        _several(inputs, "a sum")
        if len(set(inputs)) > 1:
            raise ShapeError(f"cannot add {_all(inputs)}: shapes must be equal")
        return inputs[0]

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Add(name=name)(inputs)


@dataclass(frozen=True)
class Multiply(FreeOp):
    """The product of equal shapes, or of a map and a 1×1 map of the same channels."""

    def shape(self, *inputs: Shape) -> Shape:
        _several(inputs, "a product")
        largest = max(inputs, key=volume)
        for shape in inputs:
            gate = len(largest) == 3 and shape == (1, 1, largest[2])
            if shape != largest and not gate:
                raise ShapeError(f"cannot multiply {_all(inputs)}: shapes must be equal, or one a 1×1 map")
        return largest

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Multiply(name=name)(inputs)


@dataclass(frozen=True)
class Concat(FreeOp):
    """Channels side by side."""

    def shape(self, *inputs: Shape) -> Shape:
        _several(inputs, "a concatenation")
        if len({shape[:-1] for shape in inputs}) > 1:
            raise ShapeError(f"cannot concatenate {_all(inputs)}: sizes must be equal")
        return (*inputs[0][:-1], sum(shape[-1] for shape in inputs))

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Concatenate(name=name)(inputs)


@dataclass(frozen=True)
class Split(FreeOp):
    """Channels in equal parts; every part is an output, so that no channel is lost unseen."""

    parts: int

    @property
    def outputs(self) -> int:  # type: ignore[override]  # of each one, not of the class
        return self.parts

    def shape(self, *inputs: Shape) -> Shape:
        height, width, channels = need_map(inputs[0], "a split")
        if channels % self.parts:
            raise ShapeError(f"{channels} channels do not split into {self.parts} equal parts")
        return height, width, channels // self.parts

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        channels = inputs[0].shape[-1]
        size = channels // self.parts
        parts: list[Any] = []
        for start in range(0, channels, size):
            # the last two axes, which "channels_first" takes for the map; keras.ops.split cannot be given a name
            cut = ((0, 0), (start, channels - start - size))
            layer = keras.layers.Cropping2D(cut, data_format="channels_first", name=part(name, len(parts) + 1))
            parts.append(layer(inputs[0]))
        return parts


@dataclass(frozen=True)
class Shuffle(FreeOp):
    """Channels dealt out over groups (ShuffleNet, Zhang et al. 2017): as a matrix (groups, rest), transposed.

    Pixels share one axis meanwhile, so that the tensor never has more than four axes: TFLite runs those well.
    """

    groups: int

    def shape(self, *inputs: Shape) -> Shape:
        _, _, channels = need_map(inputs[0], "a shuffle")
        if channels % self.groups:
            raise ShapeError(f"{self.groups} groups do not divide {channels} channels")
        return inputs[0]

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        height, width, channels = inputs[0].shape[1:]
        x = keras.layers.Reshape((height * width, self.groups, channels // self.groups), name=part(name, "deal"))(
            inputs[0]
        )
        x = keras.layers.Permute((1, 3, 2), name=part(name, "swap"))(x)
        return keras.layers.Reshape((height, width, channels), name=name)(x)


@dataclass(frozen=True)
class DepthToSpace(FreeOp):
    """Each pixel's channels as a square of `block` by `block` pixels, which deployment passes make use of.

    Channel (y · block + x) · depth + c becomes channel c of the square's pixel (y, x), as in TFLite.
    """

    block: int

    def shape(self, *inputs: Shape) -> Shape:
        height, width, channels = need_map(inputs[0], "depth to space")
        if channels % self.block**2:
            raise ShapeError(f"{channels} channels do not make squares of {self.block}×{self.block} pixels")
        return height * self.block, width * self.block, channels // self.block**2

    def reach(self, *inputs: Shape) -> Reach:
        return Reach((1, 1), 1, self.block)

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        return keras.layers.Lambda(lambda x: keras.ops.depth_to_space(x, self.block), name=name)(inputs[0])


@dataclass(frozen=True)
class EdgePad(FreeOp):
    """A map with its border pixels once more around it, which deployment passes make use of."""

    def shape(self, *inputs: Shape) -> Shape:
        height, width, channels = need_map(inputs[0], "edge padding")
        return height + 2, width + 2, channels

    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        def padded(x: Any) -> Any:
            # copies run as fast as memory in TFLite, whose MIRROR_PAD takes 70 times as many instructions
            x = keras.ops.concatenate([x[:, :1], x, x[:, -1:]], 1)
            return keras.ops.concatenate([x[:, :, :1], x, x[:, :, -1:]], 2)

        return keras.layers.Lambda(padded, name=name)(inputs[0])
