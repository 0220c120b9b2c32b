"""What a lowered network begins with, and the file it is saved in: alike in every process, open to plain Keras."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import SPECS, spec, table

from archspec import ops
from archspec.graph import INPUT, Graph, Net, Tensor
from archspec.ops import Op
from archspec.tf.lower import bilinear, lower

ROOT = SPECS.parent
BARE = "norm: false, bias: false, activation: none"


def by_hand(build: Callable[[Net, Tensor], Tensor], size: tuple[int, int, int] = (9, 6, 4)) -> Graph:
    """A graph whose nodes `build` adds, without rows."""
    graph = table("Conv: {depth: 1}", size=str(list(size))).graph
    net = Net()
    net.prefix = "made"
    out = build(net, Tensor(INPUT, 0, size))
    return replace(graph, nodes=tuple(net.nodes), rows=(), outputs=(("out", out),))


def every_op(net: Net, x: Tensor) -> Tensor:
    """A net that holds every op, each in a form with all its parts."""
    x = net.add(ops.Conv(8, (3, 3), 2, padding="explicit", bias=True, fill=ops.Fill(l2=1e-3)), x, role="conv")
    x = net.add(ops.BatchNorm(), x, role="bn")
    x = net.add(ops.Activation("leaky_relu"), x, role="leaky")
    x = net.add(ops.Conv(8, (3, 3), groups=2, fill=ops.Fill("he_normal")), x, role="grouped")
    x = net.add(ops.Activation("hard_swish"), x, role="swish")
    left, right = net.split(2, x)
    right = net.add(ops.DepthwiseConv((3, 3), fill=ops.Fill("truncated_normal")), right, role="depthwise")
    x = net.add(ops.Shuffle(2), net.add(ops.Concat(), left, right, role="concat"), role="shuffle")
    gate = net.add(ops.GlobalPool(keep=True), x, role="pool")
    x = net.add(ops.Multiply(), x, gate, role="gate")
    up = net.add(ops.TransposeConv(8, (4, 4), 2, fill=ops.Fill("bilinear", trainable=False)), x, role="up")
    x = net.add(ops.Add(), up, net.add(ops.Resize((up.shape[0], up.shape[1])), x, role="resize"), role="add")
    x = net.add(ops.Scale(0.5), net.add(ops.Pad(((1, 0), (0, 1)), (0, 3)), x, role="pad"), role="scale")
    x = net.add(ops.Pool("max", (3, 3), 2, "explicit"), x, role="max")
    x = net.add(ops.Dropout(0.5), net.add(ops.Reshape(), x, role="flat"), role="dropout")
    return net.add(ops.Activation("softmax"), net.add(ops.Dense(3), x, role="dense"), role="softmax")


def digest(model: Any) -> str:
    """A hash of all weights, bit by bit."""
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()


def test_every_op_is_in_the_net_by_hand() -> None:
    made = {type(node.op) for node in by_hand(every_op).nodes}
    known = {op for op in vars(ops).values() if isinstance(op, type) and issubclass(op, Op) and op is not Op}
    deployed = {ops.DepthToSpace, ops.EdgePad}  # passes alone make these, and what they make is not saved
    assert made == known - deployed


OPEN = """
import sys
sys.modules["archspec"] = None  # whoever imports it fails
import keras
import numpy as np
for path in sys.argv[1:]:
    got = keras.models.load_model(path)(np.load(path + ".npy"), training=False)
    np.savez(path + ".npz", **got)
"""


def in_another_process(*arguments: str) -> str:
    """What Python says; the hash of strings is seeded otherwise there."""
    surroundings = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    surroundings |= {"PYTHONHASHSEED": "7", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, *arguments], env=surroundings, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_files_open_in_plain_keras(tmp_path: Path) -> None:
    graphs = {"hed": spec("mobilenet_v2_hed", input__size=64).graph, "every_op": by_hand(every_op)}
    wanted = {}
    for name, graph in graphs.items():
        model, path = lower(graph), str(tmp_path / f"{name}.keras")
        model.save(path)
        images = np.random.default_rng(0).random((2, *graph.input_shape), np.float32)
        np.save(f"{path}.npy", images)
        wanted[path] = model(images, training=False)
    in_another_process("-I", "-c", OPEN, *wanted)
    for path, outputs in wanted.items():
        with np.load(f"{path}.npz") as got:
            assert set(got) == set(outputs)
            for name, values in outputs.items():
                np.testing.assert_allclose(got[name], values, rtol=1e-5, atol=1e-6)


def test_a_file_that_needs_archspec_is_found_out() -> None:
    with pytest.raises(AssertionError, match="archspec"):
        in_another_process("-I", "-c", 'import sys; sys.modules["archspec"] = None; import archspec.kinds')


SEEDS = """
import sys
sys.path[:0] = sys.argv[1:]
from test_lower_weights import by_hand, digest, every_op, lower
print(digest(lower(by_hand(every_op))))
"""


def test_networks_begin_alike() -> None:
    model = lower(by_hand(every_op))
    assert digest(model) == digest(lower(by_hand(every_op)))
    here = Path(__file__).parent
    there = in_another_process("-c", SEEDS, str(here), str(here.parent), str(ROOT))
    assert there.strip() == digest(model)
    layer = model.get_layer("made_conv")
    layer.set_weights([np.nextafter(w, 1) for w in layer.get_weights()])
    assert there.strip() != digest(model)


def test_layers_of_one_shape_begin_differently() -> None:
    model = lower(table("Conv: {depth: 3, repeat: 2, name: c}").graph)
    first, second = (model.get_layer(f"c_{i}_conv").get_weights()[0] for i in (1, 2))
    assert not np.array_equal(first, second)


def kernel_of(initializer: str) -> Any:
    model = lower(table(f"Conv: {{depth: 64, kernel: 5, initializer: {initializer}, name: c}}").graph)
    return model.get_layer("c_conv").get_weights()[0]


def test_initializers() -> None:
    into, out = 5 * 5 * 3, 5 * 5 * 64
    glorot = kernel_of("glorot_uniform")  # Glorot and Bengio 2010, equation 16
    assert 0.99 < np.abs(glorot).max() / sqrt(6 / (into + out)) <= 1
    assert abs(glorot.std() / sqrt(2 / (into + out)) - 1) < 0.05
    he = kernel_of("he_normal")  # He et al. 2015, equation 10; Keras cuts at two deviations of a wider normal
    assert abs(he.std() / sqrt(2 / into) - 1) < 0.05
    cut = kernel_of("truncated_normal")  # Slim's MobileNet v1: stddev 0.09, cut at two of it, which narrows it
    assert 0.99 < np.abs(cut).max() / 0.18 <= 1
    assert abs(cut.std() / (0.09 * 0.8796) - 1) < 0.05


def test_bilinear_upsampling_that_stays() -> None:
    row = "SideOutput: {upsample: 2, upsample_initializer: bilinear, upsample_trainable: false, name: s}"
    model = lower(table(row).graph)
    up = model.get_layer("s_upsample")
    assert up.trainable_weights == []
    kernel, bias = up.get_weights()
    weights = np.array([1, 3, 3, 1]) / 4  # upsample_filt(4) of FCN
    np.testing.assert_allclose(kernel[:, :, 0, 0], np.outer(weights, weights))
    assert not bias.any()
    assert model.get_layer("s_conv").trainable_weights, "only the upsampling is fixed"


def test_bilinear_interpolates_each_channel() -> None:
    for kernel, factor in ((4, 2), (8, 4), (3, 2), (6, 3)):
        row = f"TransposeConv: {{depth: 3, kernel: {kernel}, stride: {factor}, initializer: bilinear, name: t, {BARE}}}"
        model = lower(table(row, size="[8, 8, 3]").graph)
        ramp = np.linspace(0, 7, 8)[None, :, None, None] * np.array([1.0, 10.0, 100.0]) + np.zeros((1, 8, 8, 3))
        inner = np.asarray(model(ramp)["t"])[0, 2 * factor : -2 * factor, 2 * factor : -2 * factor]
        steps = np.diff(inner, axis=0) * factor  # a ramp stays a ramp, `factor` times as flat
        np.testing.assert_allclose(steps, np.broadcast_to([1, 10, 100], steps.shape), rtol=1e-4)
        np.testing.assert_allclose(np.diff(inner, axis=1), 0, atol=1e-4)
    assert bilinear((2, 2, 1, 1)).tolist() == [[[[0.25]], [[0.25]]]] * 2
