"""Every op's shape, weights and MACs against a count by enumeration."""

from dataclasses import replace
from math import prod

import brute_count as brute
import pytest
from brute_count import Counted
from op_cases import (
    DENSE,
    FREE,
    MAP,
    NORMS,
    Case,
    Free,
    convolutions,
    depthwise,
    every_op,
    pools,
    transposed,
    uncovered,
)  # fmt: skip

from archspec import ops
from archspec.ops import Op, Shape, ShapeError
from archspec.ops.window import zeros

CONVOLUTIONS = list(convolutions(groups=(1, 2, 3)))
DEPTHWISE = list(depthwise(multipliers=(1, 2)))
TRANSPOSED = list(transposed())
POOLS = list(pools())
COUNTED = [*CONVOLUTIONS, *DEPTHWISE, *TRANSPOSED, *POOLS, *DENSE]
EVERY_OP = [*(case.op for case in (*COUNTED, *NORMS)), *(case.op for case in FREE)]


def oracle(case: Case) -> Counted:
    """The count of a case by enumeration. Raises WindowError."""
    op, shape = case.op, case.inputs[0]
    if isinstance(op, ops.Conv):
        return brute.conv(shape, op.depth, op.kernel, op.stride, op.rate, op.groups, op.padding, op.bias)
    if isinstance(op, ops.DepthwiseConv):
        return brute.depthwise(shape, op.kernel, op.stride, op.rate, op.multiplier, op.padding, op.bias)
    if isinstance(op, ops.TransposeConv):
        return brute.transpose(shape, op.depth, op.kernel, op.stride, str(op.padding), op.bias)
    if isinstance(op, ops.Pool):
        rows, columns = brute.sliding(shape, op.kernel, op.stride, 1, op.padding)
        return Counted((len(rows), len(columns), shape[2]))
    assert isinstance(op, ops.Dense)
    return brute.dense(shape, op.units, op.bias)


def check(op: Op, inputs: tuple[Shape, ...], counted: Counted) -> None:
    """The op says of itself what was counted."""
    assert op.shape(*inputs) == counted.shape
    assert op.macs(*inputs) == counted.macs
    weights = op.weights(*inputs)
    assert tuple(w.shape for w in weights) == counted.weights
    assert [w.size for w in weights] == [prod(shape) for shape in counted.weights]


@pytest.mark.parametrize("case", COUNTED, ids=str)
def test_counts(case: Case) -> None:
    try:
        counted = oracle(case)
    except brute.WindowError:
        with pytest.raises(ShapeError, match="does not fit"):
            case.op.shape(*case.inputs)
    else:
        check(case.op, case.inputs, counted)


def test_grid_has_maps_too_small() -> None:
    """The branch of `test_counts` for a window that does not fit is run, and is not the rule."""
    misfits = 0
    for case in CONVOLUTIONS:
        try:
            oracle(case)
        except brute.WindowError:
            misfits += 1
    assert 0 < misfits < len(CONVOLUTIONS) / 4


@pytest.mark.parametrize("case", FREE, ids=str)
def test_free_ops(case: Free) -> None:
    check(case.op, case.inputs, Counted(case.shape))


@pytest.mark.parametrize("case", NORMS, ids=str)
def test_batch_norm(case: Case) -> None:
    assert isinstance(case.op, ops.BatchNorm)
    channels = (case.inputs[0][-1],)
    check(case.op, case.inputs, Counted(case.inputs[0], 0, (channels,) * (4 if case.op.scale else 3)))


def test_roles_and_what_is_trained() -> None:
    def said(op: Op, shape: Shape) -> list[tuple[str, bool]]:
        return [(w.role, w.trainable) for w in op.weights(shape)]

    frozen = ops.Fill(trainable=False)
    moving = [("moving_mean", False), ("moving_variance", False)]
    assert said(ops.BatchNorm(), (3,)) == [("gamma", True), ("beta", True), *moving]
    assert said(ops.BatchNorm(scale=False), (3,)) == [("beta", True), *moving]
    assert said(ops.BatchNorm(trainable=False), (3,)) == [("gamma", False), ("beta", False), *moving]
    for op, shape in (
        (ops.Conv(6, bias=True), MAP),
        (ops.DepthwiseConv(bias=True), MAP),
        (ops.TransposeConv(6, (2, 2), 2), MAP),
        (ops.Dense(6), (3,)),
    ):
        assert said(op, shape) == [("kernel", True), ("bias", True)]
        assert said(replace(op, fill=frozen), shape) == [("kernel", False), ("bias", False)]


class CountsBias(ops.Conv):
    """Wrong: charges the bias as a multiply, as torchinfo does."""

    def macs(self, *inputs: Shape) -> int:
        return super().macs(*inputs) + prod(self.shape(*inputs))


class ForgetsBias(ops.Conv):
    """Wrong: has a bias and says nothing of it."""

    def weights(self, *inputs: Shape) -> tuple[ops.Weight, ...]:
        return super().weights(*inputs)[:1]


class RoundsDown(ops.Conv):
    """Wrong: the size of PyTorch's convolution without padding."""

    def shape(self, *inputs: Shape) -> Shape:
        height, width, _ = super().shape(*inputs)
        return height - 1, width, self.depth


@pytest.mark.parametrize("made", [CountsBias, ForgetsBias, RoundsDown])
def test_check_finds_wrong_ops(made: type[ops.Conv]) -> None:
    counted = oracle(Case(ops.Conv(6, (3, 3), 2, bias=True), (MAP,)))
    check(ops.Conv(6, (3, 3), 2, bias=True), (MAP,), counted)
    with pytest.raises(AssertionError):
        check(made(6, (3, 3), 2, bias=True), (MAP,), counted)


def test_every_op_is_tried() -> None:
    assert len(list(every_op())) >= 17
    assert uncovered(EVERY_OP) == set()


def test_an_op_without_a_case_is_found() -> None:
    assert uncovered(op for op in EVERY_OP if not isinstance(op, ops.Conv)) == {ops.Conv}


MISUSES = [
    (ops.Conv(6), ((5,),), "a convolution needs a map, not a vector of 5"),
    (ops.Conv(6, groups=4), (MAP,), "4 groups do not divide 6 channels in and 6 out"),
    (ops.Conv(5, groups=3), (MAP,), "3 groups do not divide 6 channels in and 5 out"),
    (ops.Conv(6, stride=2, rate=2), (MAP,), "a stride or a rate above 1, not both: 2, 2"),
    (ops.Conv(6, (5, 5), padding="valid"), (MAP,), "a window of 5×5 does not fit a map of 7×4"),
    (ops.Conv(6, (1, 2), rate=4, padding="valid"), (MAP,), "a window of 1×5 does not fit a map of 7×4"),
    (ops.DepthwiseConv(), ((5,),), "a depthwise convolution needs a map"),
    (ops.DepthwiseConv(stride=2, rate=2), (MAP,), "a stride or a rate above 1, not both"),
    (ops.DepthwiseConv((5, 5), padding="valid"), (MAP,), "does not fit"),
    (ops.TransposeConv(6, (2, 2), 2), ((5,),), "a transposed convolution needs a map"),
    (ops.TransposeConv(6, (2, 2), 2, padding="explicit"), (MAP,), "pads `same` or `valid`"),
    (ops.TransposeConv(6, (2, 2), 2, padding=((0, 0), (1, 1))), (MAP,), "pads `same` or `valid`"),
    (ops.Dense(3), (MAP,), "a dense layer needs a vector, not a map of 7×4×6"),
    (ops.Pool("max"), ((5,),), "a pool needs a map"),
    (ops.Pool("max", (5, 5), 1, "valid"), (MAP,), "does not fit"),
    (ops.Pool("avg", (3, 3), 2, "explicit"), (MAP,), "explicit zeros would count into the mean"),
    (ops.GlobalPool(), ((5,),), "a global pool needs a map"),
    (ops.Add(), (MAP,), "a sum needs two inputs or more, not 1"),
    (ops.Add(), (MAP, (7, 4, 5)), "cannot add 7×4×6, 7×4×5: shapes must be equal"),
    (ops.Add(), (MAP, (1, 1, 6)), "shapes must be equal"),
    (ops.Multiply(), (MAP,), "a product needs two inputs or more"),
    (ops.Multiply(), (MAP, (1, 1, 5)), "cannot multiply 7×4×6, 1×1×5"),
    (ops.Multiply(), (MAP, (1, 4, 6)), "shapes must be equal, or one a 1×1 map"),
    (ops.Multiply(), (MAP, (6,)), "shapes must be equal, or one a 1×1 map"),
    (ops.Concat(), (MAP,), "a concatenation needs two inputs or more"),
    (ops.Concat(), (MAP, (7, 5, 6)), "cannot concatenate 7×4×6, 7×5×6: sizes must be equal"),
    (ops.Concat(), (MAP, (6,)), "sizes must be equal"),
    (ops.Split(4), (MAP,), "6 channels do not split into 4 equal parts"),
    (ops.Split(2), ((6,),), "a split needs a map"),
    (ops.Shuffle(4), (MAP,), "4 groups do not divide 6 channels"),
    (ops.Shuffle(2), ((6,),), "a shuffle needs a map"),
    (ops.DepthToSpace(4), (MAP,), "6 channels do not make squares of 4×4 pixels"),
    (ops.DepthToSpace(2), ((8,),), "depth to space needs a map"),
    (ops.EdgePad(), ((8,),), "edge padding needs a map"),
    (ops.Resize((2, 2)), ((6,),), "a resize needs a map"),
    (ops.Pad(((1, 1), (1, 1))), ((6,),), "padding needs a map"),
    (ops.Reshape((2, 3)), ((6,),), "a map of three sizes or a vector of one, not 2×3"),
    (ops.Reshape((5,)), ((6,),), "cannot reshape 6 to 5: 6 elements, not 5"),
    (ops.Conv(6, fill=ops.Fill("bilinear")), (MAP,), "`bilinear` weights are a transposed convolution's"),
    (ops.DepthwiseConv(fill=ops.Fill("bilinear")), (MAP,), "`bilinear` weights are a transposed convolution's"),
    (ops.Dense(6, fill=ops.Fill("bilinear")), ((6,),), "`bilinear` weights are a transposed convolution's"),
    (ops.TransposeConv(5, (4, 4), 2, fill=ops.Fill("bilinear")), (MAP,), "as many channels out as in: 5, 6"),
]  # fmt: skip


@pytest.mark.parametrize(("op", "inputs", "message"), MISUSES, ids=[m[2] for m in MISUSES])
def test_misuse(op: Op, inputs: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(ShapeError) as error:
        op.shape(*inputs)
    assert message in str(error.value)


KERNELS = (1, 2, 3, 4, 5, 7)
RATES = (1, 2, 3)
STRIDES = (1, 2, 3, 4)


def test_same_is_tensorflow_s() -> None:
    for kernel in KERNELS:
        for rate in RATES:
            for stride in STRIDES:
                for size in range(1, 24):
                    wanted = brute.same(size, brute.taps(kernel, rate), stride)
                    assert zeros("same", (kernel - 1) * rate + 1, stride, size, 0) == wanted


def test_explicit_is_slim_s_whatever_the_size() -> None:
    for kernel in KERNELS:
        for rate in RATES:
            for size in (1, 8, 9):
                assert zeros("explicit", (kernel - 1) * rate + 1, 2, size, 0) == brute.fixed(kernel, rate)
    assert [zeros("explicit", kernel, 2, 9, 0) for kernel in (3, 5, 7)] == [(1, 1), (2, 2), (3, 3)]


def test_same_even_is_same_where_the_stride_divides() -> None:
    for kernel in KERNELS:
        for stride in STRIDES:
            pad = zeros("same_even", kernel, stride, 25, 0)
            assert {zeros("same", kernel, stride, stride * n, 0) for n in range(8, 12)} == {pad}
    # keras.applications.mobilenet writes ((0, 1), (0, 1)) for its 3×3 kernels at stride 2
    assert zeros("same_even", 3, 2, 97, 0) == (0, 1)


def correct_pad(size: int, kernel: int) -> tuple[int, int]:
    """keras.applications.imagenet_utils.correct_pad along one axis, for stride 2."""
    adjust = 1 - size % 2
    correct = kernel // 2
    return correct - adjust, correct


def test_correct_pad_of_keras_is_same() -> None:
    for kernel in (3, 5, 7):
        for size in range(kernel, 40):
            assert zeros("same", kernel, 2, size, 0) == correct_pad(size, kernel)


def test_amounts_go_by_axis() -> None:
    amounts = ((1, 2), (3, 4))
    assert [zeros(amounts, 3, 2, 9, axis) for axis in (0, 1)] == [(1, 2), (3, 4)]
    assert zeros("valid", 5, 3, 9, 1) == (0, 0)
