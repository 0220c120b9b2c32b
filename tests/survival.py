"""What must hold of any text at all: archspec gives a graph, or findings that make sense."""

from collections.abc import Callable
from typing import get_args

from archspec import render
from archspec.analysis import Network, document, network
from archspec.diagnostics import Code, Diagnostic, Source, SpecError

EVERYTHING = """\
archspec: 1
model: everything-2.0
input: {size: [$side, 32, 3], mean: [104, 117, 124], std: [$side, 1.5, 2], color: bgr, resize: crop}
let: {side: 64, k: 5, act: relu6, thin: 16, twice: 2, on: true, task: edges}
defaults:
  all: {norm: $on, momentum: 0.9}
  Conv: {activation: $act, padding: [[1, 1], [0, 1]]}
scale: {width: 0.5, layers: 1.5, divisor: 8, min_depth: 4}
output_stride: 8
layers:
- Conv: {depth: $thin, kernel: [3, $k], stride: $twice, name: c1}
- DepthSepConv: {depth: 24, stride: 2, repeat: 2, multiplier: 2}
- InvertedResidual: {depth: 32, expansion: 4.5, stride: 2, repeat: $twice, shortcut: project, name: c2}
- Conv: {depth: 64, kernel: 3, stride: 2, rate: 1, padding: same, min_depth: 40, bias: true}
- Activation: {activation: hard_swish, name: top}
- Resize: {factor: 4, method: nearest, name: up}
- SideOutput: {from: c1, upsample: 2, name: side}
- Pad: {from: c2, zeros: [[0, 1], [1, 0]]}
- MaxPool: {kernel: 2, stride: 1, padding: valid, name: pooled}
- Concat: {from: [c2, pooled, top]}
- GlobalPool
- Dropout: {drop: 0.25}
- Dense: {units: 10, activation: softmax, name: classes}
outputs: [classes, up, side]
expect: {params: 1, macs: 2}
train: {task: $task, optimizer: sgd, learning_rate: 1e-3, batch: 8, steps: 100}
targets: {x86_64: {quantize: none}, arm64-v8a: {variant: small}}
variants:
  small: {input: {size: 32}, let: {k: 3}, outputs: [side, classes, up]}
"""

WORDS = (
    "0 -1 1 2 1.5 .5 1e3 1e999 65536 65537 99999999999999999999 .nan .inf -.inf 1_000 0x10 1:30 ~ null true yes "
    "$ $x $side $k x c1 input all Conv Flatten Nope same none name from repeat depth <<: *a &a !t !!int - -- --- ... "
    ': , [ ] { } [] {} [[]] [{}] "" \' " # | > % @ ` \t \\ \n \r \0 \x85 \ufeff \u2028 é 中 😀 [1,2] {a: 1}'
).split(" ")


def analyse(text: str) -> None:
    """The head's network of a text, and that of one variant. Raises SpecError."""
    doc = document(Source("spec.yaml", text))
    for variant in (None, *doc.variants[-1:]):
        assert isinstance(network(doc, variant), Network)


def refusal(text: str, analyse: Callable[[str], None]) -> SpecError | None:
    """Why archspec does not take a text; None where it does. Whatever else is raised goes through."""
    try:
        analyse(text)
    except SpecError as error:
        return error
    return None


def assert_survives(text: str, analyse: Callable[[str], None] = analyse) -> bool:
    """Archspec takes the text, or refuses it with findings that make sense. Whether it took it."""
    error = refusal(text, analyse)
    if error is None:
        return True
    assert error.diagnostics
    for found in error.diagnostics:
        assert_makes_sense(found)
    for form in render.FORMATS.values():
        assert form(error.diagnostics).encode()
    return False


def assert_makes_sense(found: Diagnostic) -> None:
    """A finding has a known code, text on one line, and places inside their sources."""
    assert found.code in get_args(Code)
    assert found.message
    for words in (found.message, found.label, found.help, *(o.text for o in found.others)):
        assert "\n" not in words, words
        assert len(words) < 2000, words
        # no name of a module of ours, unless the text itself holds one
        assert "archspec." not in words or "archspec." in found.span.source.text, words
    for span in (found.span, *(o.span for o in found.others)):
        assert 0 <= span.start <= span.end <= len(span.source.text), span
