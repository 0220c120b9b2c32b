"""The MobileNets' blocks and specs against the papers and TF-Slim's definitions."""

from collections.abc import Iterator

import pytest
from networks import spec, table

from archspec import ops
from archspec.analysis import Network
from archspec.diagnostics import SpecError
from archspec.rounding import divisible

# TF-Slim's mobilenet_v1.py, _CONV_DEFS, and mobilenet_v2.py, V2_DEF: the stride and the depth of each row
V1 = [(2, 32), (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *[(1, 512)] * 5, (2, 1024), (1, 1024)]
V2 = [(2, 32), (1, 16), (2, 24), (1, 24), (2, 32), *[(1, 32)] * 2, (2, 64), *[(1, 64)] * 3, *[(1, 96)] * 3,
      (2, 160), *[(1, 160)] * 2, (1, 320), (1, 1280)]  # fmt: skip
V1_TABLE = [  # mobilenet_v1.py's docstring, "100% Mobilenet V1 (base) with input size 224x224": parameters, MACs
    (864, 10838016), (288, 3612672), (2048, 25690112), (576, 1806336), (8192, 25690112), (1152, 3612672),
    (16384, 51380224), (1152, 903168), (32768, 25690112), (2304, 1806336), (65536, 51380224), (2304, 451584),
    (131072, 25690112), *[(4608, 903168), (262144, 51380224)] * 5, (4608, 225792), (524288, 25690112),
    (9216, 451584), (1048576, 51380224),
]  # fmt: skip
V1_TABLE_075_128 = [  # the same, "75% Mobilenet V1 (base) with input size 128x128"
    (648, 2654208), (216, 884736), (1152, 4718592), (432, 442368), (4608, 4718592), (864, 884736), (9216, 9437184),
    (864, 221184), (18432, 4718592), (1728, 442368), (36864, 9437184), (1728, 110592), (73728, 4718592),
    *[(3456, 221184), (147456, 9437184)] * 5, (3456, 55296), (294912, 4718592), (6912, 110592), (589824, 9437184),
]  # fmt: skip


def convolutions(network: Network) -> Iterator[tuple[str, ops.Conv | ops.DepthwiseConv, ops.Shape]]:
    """Role, op and input of each convolution, in order."""
    for node in network.graph.nodes:
        if isinstance(node.op, ops.Conv | ops.DepthwiseConv):
            yield node.role, node.op, node.inputs[0].shape


def kernels(network: Network) -> list[tuple[int, int]]:
    """Parameters and MACs of each convolution's kernel, without its bias."""
    return [(op.weights(shape)[0].size, op.macs(shape)) for _, op, shape in convolutions(network)]


@pytest.mark.parametrize(
    ("variant", "wanted", "total"),
    [(None, V1_TABLE, (3185088, 567716352)), ("w0.75-r128", V1_TABLE_075_128, (1800144, 106002432))],
)
def test_v1_row_by_row(variant: str | None, wanted: list[tuple[int, int]], total: tuple[int, int]) -> None:
    assert (sum(p for p, _ in wanted), sum(m for _, m in wanted)) == total, "the table is not the docstring's"
    assert kernels(spec("mobilenet_v1", variant)) == wanted


def atrous(rows: list[tuple[int, int]], output_stride: int | None) -> list[tuple[int, int]]:
    """Stride and rate of each row, by the loop of Slim's mobilenet_v1_base and mobilenet_base."""
    current_stride = rate = 1
    found = []
    for stride, _ in rows:
        if output_stride is not None and current_stride == output_stride:
            found.append((1, rate))
            rate *= stride
        else:
            found.append((stride, 1))
            current_stride *= stride
    return found


SLIM = [("mobilenet_v1", V1), ("mobilenet_v2", V2)]


@pytest.mark.parametrize("output_stride", [None, 8, 16])
@pytest.mark.parametrize(("name", "rows"), SLIM)
def test_output_stride(name: str, rows: list[tuple[int, int]], output_stride: int | None) -> None:
    """A row's stride and rate are those of its depthwise convolution, or of its only one."""
    network = spec(name, None, output_stride=output_stride) if output_stride else spec(name)
    found = [(op.stride, op.rate) for role, op, _ in convolutions(network) if role in ("conv", "depthwise")]
    assert found == atrous(rows, output_stride)
    depths = [op.depth for role, op, _ in convolutions(network) if isinstance(op, ops.Conv) and role != "expand"]
    assert depths == [depth for _, depth in rows]
    assert {row.name: row.stride for row in network.cost.rows}["c5"] == (output_stride or 32)


@pytest.mark.parametrize(("name", "rows"), SLIM)
def test_an_output_stride_of_32_is_the_network_s_own(name: str, rows: list[tuple[int, int]]) -> None:
    assert atrous(rows, 32) == atrous(rows, None)
    with pytest.raises(SpecError) as raised:
        spec(name, output_stride=32)
    assert [found.code for found in raised.value.diagnostics] == ["idle-multiplier"]


def test_the_variants_have_that_output_stride() -> None:
    for name in ("mobilenet_v1", "mobilenet_v2"):
        for variant, stride in (("os16", 16), ("os8", 8)):
            assert spec(name, variant).cost.macs == spec(name, output_stride=stride).cost.macs
            assert {row.stride for row in spec(name, variant).cost.rows if row.name == "c5"} == {stride}


@pytest.mark.parametrize("width", [0.25, 0.1, 0.01])
@pytest.mark.parametrize("floor", [8, 16])
def test_min_depth(width: float, floor: int) -> None:
    network = spec("mobilenet_v1", scale__width=width, scale__min_depth=floor)
    found = [op.depth for _, op, _ in convolutions(network) if isinstance(op, ops.Conv)]
    assert found == [max(int(depth * width), floor) for _, depth in V1]


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_explicit_padding_keeps_sizes(name: str) -> None:
    """Slim's _fixed_padding: "the output would have the same dimensions as if ... 'SAME' padding"."""
    for size in (224, 97):
        same, explicit = spec(name, input__size=size), spec(name, "explicit", input__size=size)
        assert [row.output for row in explicit.cost.rows] == [row.output for row in same.cost.rows]
    assert {op.padding for _, op, _ in convolutions(explicit)} == {"explicit"}


def test_slim_s_pool_shrinks_to_the_map() -> None:
    for size, side, left in ((224, 7, 7), (128, 4, 4), (32, 1, 1), (256, 8, 7)):
        network = spec("mobilenet_v1_slim", input__size=size)
        (pool,) = [node for node in network.graph.nodes if isinstance(node.op, ops.Pool)]
        assert pool.inputs[0].shape == (side, side, 1024)
        assert isinstance(pool.op, ops.Pool)
        assert pool.op.kernel == (left, left)
        assert network.graph.outputs[0][1].shape == (1001,)


def test_slim_keeps_0_999() -> None:
    for name in ("mobilenet_v1", "mobilenet_v1_slim"):
        drops = [node.op.drop for node in spec(name).graph.nodes if isinstance(node.op, ops.Dropout)]
        assert drops == [pytest.approx(1 - 0.999)]


def test_slim_s_squeeze_refuses_a_map() -> None:
    with pytest.raises(SpecError) as raised:
        spec("mobilenet_v1_slim", input__size=288)
    (found,) = raised.value.diagnostics
    assert (found.code, found.message[:22]) == ("shape-mismatch", "cannot reshape 2×2×100")


def test_any_input_size() -> None:
    for size in (33, 160, 288):
        assert spec("mobilenet_v1", input__size=size).graph.outputs[0][1].shape == (1000,)


def test_the_blog_s_projected_shortcuts() -> None:
    """By hand: what an expansion by 1 (32 -> 32) and shortcuts 32 -> 16, 64 -> 96, 160 -> 320 add to the paper's."""
    paper, blog = spec("mobilenet_v2").cost, spec("mobilenet_v2", "projected").cost
    added = [(32, 32, 112), (32, 16, 112), (64, 96, 14), (160, 320, 7)]  # in, out, side of the map
    assert blog.trainable - paper.trainable == sum(a * b + 2 * b for a, b, _ in added)
    assert blog.params - paper.params == sum(a * b + 4 * b for a, b, _ in added)
    assert blog.macs - paper.macs == sum(a * b * side * side for a, b, side in added)
    assert (blog.params, blog.trainable, blog.macs) == (3599720, 3564680, 323754880)


def test_a_counter_s_simplest_pair() -> None:
    """A 3×3 convolution 3 -> 64 with bias has 1,792 parameters; Keras's SeparableConv2D of that shape has 283."""
    whole = table("Conv: {depth: 64, norm: false}")
    separable = table(
        """
        DepthwiseConv: {norm: false, bias: false, activation: none}
        Conv: {kernel: 1, depth: 64, norm: false}
        """
    )
    assert (whole.cost.params, separable.cost.params) == (3 * 3 * 3 * 64 + 64, 3 * 3 * 3 + 3 * 64 + 64) == (1792, 283)


@pytest.mark.parametrize(
    ("wanted", "divisor", "depth"),
    # depths of keras.applications' MobileNetV2 at 0.35; 11.2 would round to 8, which is under 0.9 of it
    [(11.2, 8, 16), (5.6, 8, 8), (8.4, 8, 8), (22.4, 8, 24), (33.6, 8, 32), (56, 8, 56), (112, 8, 112), (1, 8, 8)],
)
def test_divisible(wanted: float, divisor: int, depth: int) -> None:
    assert divisible(wanted, divisor) == depth


def squeezes(network: Network) -> Iterator[tuple[ops.Conv, ops.Shape]]:
    """The two convolutions of each squeeze-and-excite, with their inputs: all there are on a 1×1 map."""
    for _, op, shape in convolutions(network):
        if shape[:2] == (1, 1):
            assert isinstance(op, ops.Conv)
            yield op, shape


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ("SqueezeExcite", (40, 10, 40)),
        ("SqueezeExcite: {ratio: 0.0625}", (40, 2, 40)),  # the paper's r is 16; 2.5 is cut down
        ("SqueezeExcite: {ratio: 0.25, divisor: 8}", (40, 16, 40)),  # 10 to 8 would lose more than a tenth
        ("SqueezeExcite: {ratio: 0.01}", (40, 1, 40)),
        ("InvertedResidual: {depth: 40, expansion: 3, se: 0.25}", (120, 30, 120)),
        ("InvertedResidual: {depth: 40, expansion: 3, se: 0.25, divisor: 8}", (120, 32, 120)),  # MobileNetV3's row 5
        ("InvertedResidual: {depth: 40, expansion: 3, se: 0.25, se_of: input}", (120, 10, 120)),  # EfficientNet's
        ("InvertedResidual: {depth: 16, expansion: 1, se: 0.25, divisor: 8}", (40, 16, 40)),
    ],
)
def test_squeeze(row: str, wanted: tuple[int, int, int]) -> None:
    channels, between, out = wanted
    first, second = squeezes(table(row, size="[9, 7, 40]"))
    assert (first[1], first[0].depth, second[1], second[0].depth) == ((1, 1, channels), between, (1, 1, between), out)
    weights = [weight.size for op, shape in (first, second) for weight in op.weights(shape)]
    assert weights == [channels * between, between, between * out, out]


def test_no_squeeze_without_a_share() -> None:
    assert list(squeezes(table("InvertedResidual: {depth: 40, se_of: input}"))) == []


def test_expanded_depths_are_the_table_s() -> None:
    """MobileNetV3's tables 1 and 2, column "exp size"."""
    tables = {
        "mobilenet_v3_large": [64, 72, 72, 120, 120, 240, 200, 184, 184, 480, 672, 672, 960, 960],
        "mobilenet_v3_small": [72, 88, 96, 240, 240, 120, 144, 288, 576, 576],
    }
    for name, wanted in tables.items():
        found = [op.depth for role, op, _ in convolutions(spec(name)) if isinstance(op, ops.Conv) and role == "expand"]
        assert found == wanted


def test_a_gate_leaves_the_stride_and_sees_the_image() -> None:
    network = table("Conv: {depth: 8, stride: 2}\nSqueezeExcite\nConv: {depth: 8, stride: 2}", size="[64, 64, 3]")
    assert [row.stride for row in network.cost.rows] == [2, 2, 4]
    assert [row.receptive_field >= 64 for row in network.cost.rows] == [False, True, True]
