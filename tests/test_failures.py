"""What is said of a target that failed, from messages as TensorFlow 2.21 and Keras 3.15 give them."""

import pytest
from networks import table

from archspec.failures import LONGEST, Failure, essence, last_words, report, row_named_in

CONVERTER = """\
ConverterError: Could not translate MLIR to FlatBuffer.blocks.py:19:1: error: 'tf.BesselI0' op is neither a custom \
op nor a flex op
go("bessel")
^
blocks.py:19:1: note: called from
<unknown>:0: error: failed while converting: 'main':\x20
Some ops in the model are custom ops, See instructions to implement custom ops: \
https://www.tensorflow.org/lite/guide/ops_custom\x20
Custom ops: BesselI0
"""
CONVERTER_LOG = """\
I0000 00:00:1.5   21856 port.cc:153] test_1/side_conv_1/Relu
loc(callsite(fused["BesselI0:", callsite("test_1/mid_odd_1/bessel_i0/BesselI0@__inference_pruned_1052"\
("/test/side_conv/tf/export.py":30:1))])): error: 'tf.BesselI0' op is neither a custom op nor a flex op
loc("test_1/side_conv_1/Conv2D"): note: see current operation
"""
KERAS = """\
RuntimeError: in user code:

    File "export.py", line 28, in infer  *
        return model(image, training=False)

    RuntimeError: Exception encountered when calling Odd.call().
    \x1b[1mboom
    here\x1b[0m

    Arguments received by Odd.call():
      • x=tf.Tensor(shape=(1, 16, 16, 4), dtype=float32)
"""
AUTOGRAPH = 'ValueError: in user code:\n\n    File "a.py", line 1, in call\n        x\n\n    ValueError: no luck\n'
RUNTIME = (
    "RuntimeError: tensorflow/lite/kernels/reshape.cc:94 num_input_elements != num_output_elements (768 != 1024)"
    "Node number 3 (RESHAPE) failed to prepare.\n"
)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (CONVERTER, "ConverterError: 'tf.BesselI0' op is neither a custom op nor a flex op"),
        (KERAS, "RuntimeError: boom here"),
        (AUTOGRAPH, "ValueError: no luck"),
        (RUNTIME, RUNTIME.strip()),
        ("OSError: [Errno 28] No space left on device: 'x'", "OSError: [Errno 28] No space left on device: 'x'"),
        ("MemoryError: ", "MemoryError:"),
        ("", ""),
    ],
)
def test_a_message_comes_down_to_a_line(message: str, said: str) -> None:
    assert essence(message) == said


def test_a_line_is_cut() -> None:
    said = essence("E: " + "word " * 1000)
    assert len(said) == LONGEST
    assert said.endswith(" ...")


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", ""),
        ("W0000 00:00 gpu.cc:1] error: no GPU\nrebuild TensorFlow with other flags.\n", ""),
        ("LLVM ERROR: out of memory\nI0000 00:00:1.5 1 port.cc:153] round-off errors\n", "LLVM ERROR: out of memory"),
        ("F0000 00:00 1 x.cc:7] Check failed: a == b \n*** stack ***\n", "F0000 00:00 1 x.cc:7] Check failed: a == b"),
        ("loc(fused[1000]): error: 'tfl.conv_2d' op is wrong\n", "'tfl.conv_2d' op is wrong"),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
         "terminate called after throwing an instance of 'std::bad_alloc'"),
        ("Traceback (most recent call last):\n  File ...\nImportError: no module x\n", "ImportError: no module x"),
    ],
)  # fmt: skip
def test_last_words(log: str, said: str) -> None:
    assert last_words(log) == said


NETWORK = table(
    """
    Conv: {depth: 4, name: c3, repeat: 2}
    Conv: {depth: 4, name: mid}
    Conv: {depth: 4, name: main}
    Pad: {zeros: [[1, 1], [1, 1]], name: c3_2}
    Conv: {depth: 4, padding: explicit, stride: 2, name: side}
    """
)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("", None),
        ("not int8: ELU handles floats at test_1/mid_conv_relu_1/Elu", "mid"),
        ("test_1/c3_1_conv_1/convolution1", "c3"),
        ("test/c3_2_conv_bn/add", "c3"),
        ("test_1/c3_2_1/Pad", "c3_2"),
        ("test_1/side_conv.pad_1/Pad;test_1/other_1/x", "side"),
        ("fused at test_1/c3_1_conv_1/x;test_1/mid_conv_1/y", "mid"),
        ("first test_1/mid_conv_1/x\nthen test_1/side_conv_1/y\n", "side"),
        ("/home/test/main/mid_conv/x.py", None),
        ("contest_1/main_conv_1/x", None),
        ("failed while converting: 'main': mid side", None),
        ("dtype of 'mid_conv' (of type Conv2D)", "mid"),
        ("not int8: NEG handles floats at row `side`", "side"),
        ("the float model answers nan or inf at output `side`", None),
        (CONVERTER_LOG.replace("mid_odd", "mid_conv"), "mid"),
        (CONVERTER_LOG, "side"),
    ],
)
def test_the_row_that_a_text_names(text: str, row: str | None) -> None:
    assert row_named_in(text, NETWORK.graph) == row


def test_report_names_targets_scheme_and_row() -> None:
    failures = [Failure(("a", "b"), "int8", "why", "c1"), Failure(("c",), "none", "because", None)]
    assert report(failures) == ["a, b (int8), row `c1`: why", "c (none): because"]
