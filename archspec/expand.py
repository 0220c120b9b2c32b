"""Spec to graph: each row becomes the nodes that its block's function adds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from archspec.blocks import BLOCKS, Block
from archspec.call import BlockFailedError, call
from archspec.diagnostics import Diagnostic, Label, Span, suggestion
from archspec.graph import INPUT, Graph, NameTaken, Net, RowNodes, Tensor, TooLarge
from archspec.ops import ShapeError, show
from archspec.options import Options
from archspec.scale import Pace, bent, measured, paced, scaled_repeat, stride_of, strides
from archspec.source import Scalar
from archspec.spec import BrokenRow, Head, RowSpec
from archspec.unused import dead_rows, idle_defaults, idle_scale, idle_stride

IMAGE = "input"
Rows = Sequence[RowSpec | BrokenRow]


@dataclass
class _Work:
    """Alive inside `expand` only. What a row gives is None where it could not be built: its readers keep silent."""

    head: Head
    found: list[Diagnostic]
    options: Options
    net: Net = field(default_factory=Net)
    rows: list[RowNodes] = field(default_factory=list)
    gives: dict[str, Tensor | None] = field(default_factory=dict)  # row name -> what it gives
    places: dict[str, Span] = field(default_factory=dict)
    pace: dict[int, Pace] = field(default_factory=dict)  # node -> where it stands
    later: dict[str, Span] = field(default_factory=dict)  # row name -> where it will be defined
    turn: int = 1  # which repetition of its block a row is at
    deepened: bool = False
    slowed: bool = False


def expand(head: Head, rows: Rows, variant: str | None, found: list[Diagnostic]) -> Graph | None:
    """Expand every row. What is wrong goes to `found`; None where anything was, or was before."""
    image = Tensor(INPUT, 0, head.input.shape)
    work = _Work(head, found, Options(head, found), gives={IMAGE: image}, pace={INPUT: Pace()})
    work.later = {str(row.name.value): row.name.span for row in reversed(rows) if row.name}
    above: Tensor | None = image
    name = IMAGE
    for row, name in zip(rows, _row_names(rows), strict=True):
        known = isinstance(row, RowSpec) and row.block.value in BLOCKS
        above = _row(work, row, name, above) if isinstance(row, RowSpec) and known else None
        if row.name:
            work.later.pop(name, None)
            work.gives.setdefault(name, above)
            work.places.setdefault(name, row.span if isinstance(row, RowSpec) else row.name.span)
    outputs = _outputs(work, name, above)
    if not found:
        _report_idle(work)
    if found:
        return None
    graph = Graph(head, variant, tuple(work.net.nodes), tuple(work.rows), outputs)
    found += dead_rows(graph)
    return None if found else graph


def _row_names(rows: Rows) -> list[str]:
    """Each row's name; one without a name gets its block's, with a number."""
    taken = {str(row.name.value) for row in rows if row.name}
    counts: dict[str, int] = {}
    names = []
    for row in rows:
        if row.name:
            names.append(str(row.name.value))
            continue
        block = str(row.block.value) if isinstance(row, RowSpec) else "row"
        stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", block).lower()
        counts[stem] = counts.get(stem, 0) + 1
        while f"{stem}_{counts[stem]}" in taken:
            counts[stem] += 1
        names.append(f"{stem}_{counts[stem]}")
    return names


def _row(work: _Work, row: RowSpec, name: str, above: Tensor | None) -> Tensor | None:
    """Build one row; what it gives, or None."""
    before = len(work.found)
    if row.name and name in work.gives:
        _name_taken(work, row.name, name)
    block = BLOCKS[str(row.block.value)]
    inputs = _inputs(work, row, block, above)
    values = work.options.read(row, block)
    repeat = work.options.word(row.repeat, "repeat")
    if inputs is None or values is None or len(work.found) > before:
        return None
    start = len(work.net.nodes)
    try:
        output, times = _apply(work, row, block, name, inputs, values, repeat)
    except (ShapeError, NameTaken, TooLarge, BlockFailedError) as error:
        _report_failure(work, row, inputs, error)
        return None
    stop = len(work.net.nodes)
    named = row.name is not None
    work.rows.append(RowNodes(name, block.name, times, row.span, start, stop, output, named, values))
    return output


def _report_failure(work: _Work, row: RowSpec, inputs: list[Tensor], error: Exception) -> None:
    if isinstance(error, ShapeError):
        label = f"in repetition {work.turn}" if work.turn > 1 else ""
        others = _seen(work, row, inputs) if work.turn == 1 else ()
        work.found.append(Diagnostic("shape-mismatch", str(error), row.span, label, others))
    elif isinstance(error, NameTaken):
        at = next(i for i, node in enumerate(work.net.nodes) if node.name == str(error))
        others = tuple(Label(r.span, "a part of this row") for r in work.rows if r.start <= at < r.stop)
        message, place = f"the name `{error}` stands for two parts of the network", (row.name or row.block).span
        work.found.append(Diagnostic("duplicate-name", message, place, others=others, help="rename a row"))
    elif isinstance(error, BlockFailedError):
        work.found.append(Diagnostic("block-failed", str(error), row.span, help=error.place))
    elif not any(d.code == "too-large" for d in work.found):
        work.found.append(Diagnostic("too-large", str(error), row.span))


def _name_taken(work: _Work, place: Scalar, name: str) -> None:
    if name == IMAGE:
        message, help = f"`{IMAGE}` is the name of the image", "choose another name"
        work.found.append(Diagnostic("duplicate-name", message, place.span, help=help))
        return
    first = (Label(work.places[name], "first here"),) if name in work.places else ()
    work.found.append(Diagnostic("duplicate-name", f"two rows have the name `{name}`", place.span, others=first))


def _inputs(work: _Work, row: RowSpec, block: Block, above: Tensor | None) -> list[Tensor] | None:
    """The tensors a row reads; None where one of them is broken or unknown."""
    if row.sources is None:
        return None if above is None else [above]
    tensors = []
    for source in row.sources:
        name = str(source.value)
        if name not in work.gives:
            work.found.append(_unknown_row(work, source, name))
        tensors.append(work.gives.get(name))
    if not block.several and len(tensors) != 1:
        message = f"block `{block.name}` reads one row, not {len(tensors)}"
        place = Span(row.span.source, row.sources[0].span.start, row.sources[-1].span.end)
        help = "join them in a row above: `Concat` or `Add`"
        work.found.append(Diagnostic("wrong-inputs", message, place, help=help))
        return None
    known = [tensor for tensor in tensors if tensor is not None]
    return known if len(known) == len(tensors) else None


def _unknown_row(work: _Work, source: Scalar, name: str) -> Diagnostic:
    if name in work.later:
        message, help = f"row `{name}` does not stand above", "move it up: a row reads rows above it only"
        others = (Label(work.later[name], "it stands here"),)
        return Diagnostic("forward-reference", message, source.span, others=others, help=help)
    return Diagnostic(
        "unknown-row", f"no row above has the name `{name}`", source.span, help=suggestion(name, list(work.gives))
    )


def _apply(
    work: _Work, row: RowSpec, block: Block, name: str, inputs: list[Tensor], values: dict[str, Any], repeat: int | None
) -> tuple[Tensor, int]:
    """Call the block's function as often as the row repeats it."""
    times = scaled_repeat(repeat, work.head.scale)
    work.deepened |= times != (repeat or 1)
    asked = stride_of(block, values)
    output = inputs[0]
    last: tuple[int, Tensor, int, int] | None = None  # the call before: its first node, its input, stride and rate
    for work.turn, stride in enumerate(strides(asked or 1, times), 1):
        work.net.prefix = name if times == 1 else f"{name}_{work.turn}"
        pace = max((work.pace.get(t.node, Pace()) for t in inputs), key=lambda p: (p.stride, p.rate))
        given, rate, after = paced(pace, stride, work.head.output_stride)
        if given != stride and "rate" not in block.options:
            _report_stride(work, row, block)
        start, same = len(work.net.nodes), None
        if last is not None and len(inputs) == 1 and last[2:] == (given, rate):
            same = work.net.again(last[0], last[1], output, f"{name}_{work.turn - 1}")
        last = start, inputs[0], given, rate
        output = same or call(block, work.net, inputs, values if asked is None else bent(block, values, given, rate))
        if output.node != INPUT:
            work.pace[output.node] = measured(inputs[0], output, pace) if asked is None else after
        work.slowed |= given != stride
        inputs = [output]
    return output, times


def _report_stride(work: _Work, row: RowSpec, block: Block) -> None:
    message = f"`output_stride: {work.head.output_stride}` takes the stride of this `{block.name}`, which has no rate"
    node = work.head.tree.get("output_stride")
    others = (Label(node.span, "set here"),) if node else ()
    help = "raise the output stride, or use a block with a rate here"
    work.found.append(Diagnostic("output-stride", message, row.span, others=others, help=help))


def _seen(work: _Work, row: RowSpec, inputs: list[Tensor]) -> tuple[Label, ...]:
    """What a shape error's row reads, at the rows that give it."""
    if row.sources is None:
        if inputs[0].node == INPUT or not work.rows:
            return ()
        return (Label(work.rows[-1].span, f"the row above is {show(inputs[0].shape)}"),)
    seen = zip([str(s.value) for s in row.sources], inputs, strict=True)
    return tuple(Label(work.places[n], f"`{n}` is {show(t.shape)}") for n, t in dict(seen).items() if n in work.places)


def _outputs(work: _Work, last: str, above: Tensor | None) -> tuple[tuple[str, Tensor], ...]:
    """The tensors that leave the network by name: those of `outputs`, else the last row's."""
    if not work.head.outputs:
        return ((last, above),) if above is not None else ()
    outputs: dict[str, Tensor | None] = {}
    rows = [name for name in work.gives if name != IMAGE]
    for scalar in work.head.outputs:
        name = str(scalar.value)
        if name in outputs:
            help = "name each output once"
            work.found.append(Diagnostic("duplicate-name", f"output `{name}` stands twice", scalar.span, help=help))
        elif name not in rows:
            help = suggestion(name, rows) or "give that row a `name`"
            work.found.append(Diagnostic("unknown-row", f"no row has the name `{name}`", scalar.span, help=help))
        outputs[name] = work.gives.get(name)
    return tuple((name, tensor) for name, tensor in outputs.items() if tensor is not None)


def _report_idle(work: _Work) -> None:
    """Report defaults and multipliers that change nothing."""
    work.found += idle_defaults(work.head, work.options.taken)
    work.found += idle_scale(work.head, widened=work.options.widened, deepened=work.deepened)
    if work.head.output_stride is not None and not work.slowed:
        work.found += idle_stride(work.head, max(pace.stride for pace in work.pace.values()))
