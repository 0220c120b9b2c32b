"""Ops on small odd maps: the grid that the counts and the values of every op are proved on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, is_dataclass

from archspec import ops
from archspec.kinds import ACTIVATIONS
from archspec.ops import Op, Shape

MAP = (7, 4, 6)  # odd and even, unequal; channels for one, two and three groups
KERNELS = ((1, 1), (2, 2), (3, 3), (5, 5), (1, 3), (5, 2))
PACES = ((1, 1), (2, 1), (3, 1), (1, 2), (1, 3))  # (stride, rate)
AMOUNTS = ((2, 0), (1, 3))
PADDINGS = ("same", "valid", "same_even", "explicit", AMOUNTS)


@dataclass(frozen=True)
class Case:
    """An op and what it reads. `fits` is false where the window is larger than the padded map."""

    op: Op
    inputs: tuple[Shape, ...]

    def __str__(self) -> str:
        return f"{self.op}".split(", fill=")[0]


def convolutions(groups: Iterable[int], shape: Shape = MAP) -> Iterator[Case]:
    """Every kernel, stride or rate, padding and number of groups; a bias on every other."""
    for count in groups:
        for kernel in KERNELS:
            for stride, rate in PACES:
                for padding in PADDINGS:
                    bias = (stride + rate + kernel[0]) % 2 == 1
                    yield Case(ops.Conv(6, kernel, stride, rate, count, bias, padding), (shape,))


def depthwise(multipliers: Iterable[int], shape: Shape = MAP) -> Iterator[Case]:
    """As `convolutions`, by multiplier."""
    for multiplier in multipliers:
        for kernel in KERNELS:
            for stride, rate in PACES:
                for padding in PADDINGS:
                    bias = (stride + rate + kernel[0]) % 2 == 1
                    yield Case(ops.DepthwiseConv(kernel, stride, rate, multiplier, bias, padding), (shape,))


def transposed() -> Iterator[Case]:
    for kernel in (*KERNELS, (4, 4), (3, 2)):
        for stride in (1, 2, 3, 4):
            for padding in ("same", "valid"):
                yield Case(ops.TransposeConv(2, kernel, stride, bias=stride != 2, padding=padding), ((3, 4, 3),))


def pools() -> Iterator[Case]:
    for kernel in KERNELS:
        for stride in (1, 2, 3):
            for padding in PADDINGS:
                yield Case(ops.Pool("max", kernel, stride, padding), ((7, 4, 2),))
                if padding in ("same", "valid"):
                    yield Case(ops.Pool("avg", kernel, stride, padding), ((7, 4, 2),))


@dataclass(frozen=True)
class Free:
    """An op without variables and the shape it must give, written by hand."""

    op: Op
    inputs: tuple[Shape, ...]
    shape: Shape

    def __str__(self) -> str:
        return f"{self.op} of {self.inputs}"


FREE = (
    *(Free(ops.Activation(name), ((3, 5, 4),), (3, 5, 4)) for name in ACTIVATIONS if name != "none"),
    Free(ops.Activation("softmax"), ((5,),), (5,)),
    Free(ops.GlobalPool("avg"), ((3, 5, 4),), (4,)),
    Free(ops.GlobalPool("avg", keep=True), ((3, 5, 4),), (1, 1, 4)),
    Free(ops.GlobalPool("max"), ((3, 5, 4),), (4,)),
    Free(ops.GlobalPool("max", keep=True), ((3, 5, 4),), (1, 1, 4)),
    Free(ops.Add(), ((3, 5, 4), (3, 5, 4)), (3, 5, 4)),
    Free(ops.Add(), ((4,), (4,), (4,)), (4,)),
    Free(ops.Multiply(), ((3, 5, 4), (3, 5, 4)), (3, 5, 4)),
    Free(ops.Multiply(), ((3, 5, 4), (1, 1, 4)), (3, 5, 4)),
    Free(ops.Multiply(), ((1, 1, 4), (3, 5, 4)), (3, 5, 4)),
    Free(ops.Multiply(), ((1, 1, 4), (3, 5, 4), (3, 5, 4)), (3, 5, 4)),
    Free(ops.Multiply(), ((4,), (4,)), (4,)),
    Free(ops.Scale(0.17), ((3, 5, 4),), (3, 5, 4)),
    Free(ops.Scale(2.0), ((4,),), (4,)),
    Free(ops.Scale(0.17), ((3, 5, 4),), (3, 5, 4)),
    Free(ops.Scale(-2.0), ((6,),), (6,)),
    Free(ops.Concat(), ((3, 5, 4), (3, 5, 1), (3, 5, 2)), (3, 5, 7)),
    Free(ops.Concat(), ((4,), (3,)), (7,)),
    Free(ops.Split(3), ((3, 5, 6),), (3, 5, 2)),
    Free(ops.Split(1), ((3, 5, 6),), (3, 5, 6)),
    Free(ops.Shuffle(1), ((3, 5, 6),), (3, 5, 6)),
    Free(ops.Shuffle(2), ((3, 5, 6),), (3, 5, 6)),
    Free(ops.Shuffle(3), ((3, 5, 6),), (3, 5, 6)),
    Free(ops.DepthToSpace(2), ((3, 5, 8),), (6, 10, 2)),
    Free(ops.DepthToSpace(3), ((3, 5, 9),), (9, 15, 1)),
    Free(ops.EdgePad(), ((3, 5, 2),), (5, 7, 2)),
    Free(ops.EdgePad(), ((1, 1, 2),), (3, 3, 2)),
    Free(ops.Resize((3, 5), "bilinear"), ((3, 5, 2),), (3, 5, 2)),
    Free(ops.Resize((6, 10), "bilinear"), ((3, 5, 2),), (6, 10, 2)),
    Free(ops.Resize((9, 15), "bilinear"), ((3, 5, 2),), (9, 15, 2)),
    Free(ops.Resize((6, 10), "nearest"), ((3, 5, 2),), (6, 10, 2)),
    Free(ops.Resize((7, 4), "bilinear"), ((3, 5, 2),), (7, 4, 2)),
    Free(ops.Resize((5, 9), "bilinear"), ((1, 1, 2),), (5, 9, 2)),
    Free(ops.Resize((9, 15), "nearest"), ((3, 5, 2),), (9, 15, 2)),
    Free(ops.Pad(((1, 2), (0, 3))), ((3, 5, 2),), (6, 8, 2)),
    Free(ops.Pad(((0, 0), (0, 0))), ((3, 5, 2),), (3, 5, 2)),
    Free(ops.Pad(((1, 0), (2, 1)), (3, 1)), ((3, 5, 2),), (4, 8, 6)),
    Free(ops.Pad(((0, 0), (0, 0)), (0, 2)), ((3, 5, 2),), (3, 5, 4)),
    Free(ops.Dropout(0.5), ((3, 5, 2),), (3, 5, 2)),
    Free(ops.Dropout(0.0), ((6,),), (6,)),
    Free(ops.Reshape(), ((3, 5, 2),), (30,)),
    Free(ops.Reshape(), ((6,),), (6,)),
    Free(ops.Reshape((30,)), ((3, 5, 2),), (30,)),
    Free(ops.Reshape((5, 2, 3)), ((3, 5, 2),), (5, 2, 3)),
    Free(ops.Reshape((3, 5, 2)), ((30,),), (3, 5, 2)),
)

DENSE = tuple(
    Case(ops.Dense(units, bias), ((width,),)) for units, width in ((1, 1), (3, 7), (7, 2)) for bias in (True, False)
)
NORMS = tuple(
    Case(ops.BatchNorm(scale, epsilon), (shape,))
    for scale in (True, False)
    for epsilon in (1e-3, 0.25)
    for shape in ((3, 5, 4), (7,))
)


def every_op(root: type[Op] = Op) -> Iterator[type[Op]]:
    """The ops of archspec: all subclasses of `root` that one can make and name there."""
    for made in root.__subclasses__():
        # a dataclass with slots leaves a twin behind, which no module names
        if made.__module__.startswith("archspec.") and is_dataclass(made) and getattr(ops, made.__name__, None) is made:
            yield made
        yield from every_op(made)


def uncovered(tried: Iterable[Op]) -> set[type[Op]]:
    """Ops of archspec that are not among those tried."""
    return set(every_op()) - {type(op) for op in tried}
