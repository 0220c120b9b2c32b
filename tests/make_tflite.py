"""Writes small .tflite files for tests into the folder given: TensorFlow stays out of the tests' own process.

`edges` answers a 32×48 RGB image of 0..1 with fuse = 8r - 4g + 2b - 1 and side = -fuse; `classes` with the
channels' means, times EYE, as logits. Both are known to the tests as numpy formulas.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

SIZE = (32, 48)
FUSE = np.array([8, -4, 2], np.float32)
EYE = np.array([[6, 0, 0, -2], [0, 6, 0, -2], [0, 0, 6, -2]], np.float32)


def edges(image: Any) -> dict[str, Any]:
    kernel = FUSE.reshape(1, 1, 3, 1)
    return {
        "fuse": tf.nn.conv2d(image, kernel, 1, "SAME") - 1.0,
        "side": tf.nn.conv2d(image, -kernel, 1, "SAME") + 1.0,
    }


def negative(image: Any) -> dict[str, Any]:
    # the converter has no int8 kernel for NEG and leaves a float island behind
    return {"side": -edges(image)["fuse"]}


def classes(image: Any) -> dict[str, Any]:
    return {"logits": tf.reduce_mean(image, [1, 2]) @ EYE}


def softmax(image: Any) -> dict[str, Any]:
    return {"probabilities": tf.nn.softmax(classes(image)["logits"])}


def wide(image: Any) -> dict[str, Any]:
    # the converter quantizes weights on the fly from 1024 values on
    kernel = np.linspace(-1, 1, 3 * 3 * 3 * 64, dtype=np.float32).reshape(3, 3, 3, 64)
    return {"maps": tf.nn.conv2d(image, kernel, 2, "SAME")}


def loop(image: Any) -> dict[str, Any]:
    return {"maps": tf.while_loop(lambda x: tf.reduce_max(x) < 9.0, lambda x: (x * 2.0 + 1.0,), (image,))[0]}


def twice(image: Any) -> dict[str, Any]:
    map_ = tf.nn.relu(image)
    return {"first": map_, "second": map_}


def branches(image: Any) -> dict[str, Any]:
    """Layers by the names that those of a spec have: rows c1, c1_side, c2, up and lines."""
    random = np.random.default_rng(3)

    def weights(*shape: int) -> Any:
        return random.normal(0, 0.3, shape).astype(np.float32)

    with tf.name_scope("net"):
        with tf.name_scope("c1_conv"):
            c1 = tf.nn.relu(tf.nn.conv2d(image, weights(3, 3, 3, 8), 1, "SAME"))
        with tf.name_scope("c1_side_conv"):
            side = tf.nn.conv2d(c1, weights(1, 1, 8, 4), 1, "SAME")
        with tf.name_scope("c2_depthwise"):
            small = tf.nn.relu6(tf.nn.depthwise_conv2d(c1, weights(3, 3, 8, 1), [1, 2, 2, 1], "SAME"))
        with tf.name_scope("c2_swish"):
            small = small * tf.nn.relu6(small + 3.0) * (1 / 6)
        with tf.name_scope("up_transpose"):
            up = tf.nn.conv2d_transpose(small, weights(4, 4, 4, 8), (1, *SIZE, 4), 2, "SAME")
        with tf.name_scope("up_add"):
            up = up + side
        with tf.name_scope("lines_concat"):
            lines = tf.concat([up, side], -1)
        with tf.name_scope("lines_conv"):
            return {"lines": tf.nn.conv2d(lines, weights(1, 1, 8, 1), 1, "SAME"), "c1_side": side}


def convert(
    function: Callable[[Any], dict[str, Any]],
    *,
    int8: bool = False,
    border: Any = tf.int8,
    dynamic: bool = False,
    half: bool = False,
) -> bytes:
    module = tf.Module()
    taken = tf.TensorSpec((1, *SIZE, 3), name="image")
    module.run = tf.function(function, input_signature=[taken])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.run.get_concrete_function()], module)
    if int8 or dynamic or half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if int8:
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = border
    if half:
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def samples() -> Iterator[list[Any]]:
    """Images that fill the range 0..1, black and white ones among them."""
    random = np.random.default_rng(0)
    for corner in np.ndindex(2, 2, 2):
        image = random.uniform(0, 1, (1, *SIZE, 3)).astype(np.float32)
        image[:, :8] = corner
        yield [image]
    for level in (0, 1):
        yield [np.full((1, *SIZE, 3), level, np.float32)]


def main(folder: Path) -> None:
    files = {
        "edges_float": convert(edges),
        "edges_int8": convert(edges, int8=True),
        "edges_border": convert(edges, int8=True, border=tf.float32),
        "negative_int8": convert(negative, int8=True),
        "classes_float": convert(classes),
        "classes_int8": convert(classes, int8=True),
        "softmax_int8": convert(softmax, int8=True),
        "wide_dynamic": convert(wide, dynamic=True),
        "loop_float": convert(loop),
        "twice_float": convert(twice),
        "branches_float": convert(branches),
        "branches_half": convert(branches, half=True),
        "branches_int8": convert(branches, int8=True),
    }
    for name, data in files.items():
        (folder / f"{name}.tflite").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
