"""Spec to graph: each row becomes the nodes that its block's function adds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archspec.blocks import BLOCKS, REQUIRED, Block
from archspec.diagnostics import Diagnostic, Label, Span, suggestion
from archspec.graph import INPUT, Graph, NameTaken, Net, RowNodes, Tensor, TooLarge
from archspec.ops import ShapeError, show
from archspec.scale import Pace, paced, scaled_depth, scaled_repeat, strides
from archspec.source import Node, Scalar
from archspec.spec import Head, RowSpec, read_value

IMAGE = "input"
BROKEN = object()  # what a row gives that could not be built: readers of it keep silent


@dataclass
class _Work:
    """Alive inside `expand` only."""

    head: Head
    found: list[Diagnostic]
    net: Net = field(default_factory=Net)
    rows: list[RowNodes] = field(default_factory=list)
    gives: dict[str, Any] = field(default_factory=dict)  # row name -> Tensor or BROKEN
    places: dict[str, Span] = field(default_factory=dict)
    pace: dict[int, Pace] = field(default_factory=dict)  # node -> where it stands
    later: set[str] = field(default_factory=set)
    used_defaults: set[tuple[str, str]] = field(default_factory=set)
    widened: bool = False
    deepened: bool = False


def expand(head: Head, rows: list[RowSpec | Scalar | None], variant: str | None, found: list[Diagnostic]) -> Graph | None:
    """Expand every row. What is wrong goes to `found`; None where anything was, or was before."""
    work = _Work(head, found)
    image = Tensor(INPUT, 0, head.input.shape)
    work.gives[IMAGE] = image
    work.pace[INPUT] = Pace()
    work.later = {str(r.name.value) for r in rows if isinstance(r, RowSpec) and r.name}
    names = _row_names(rows)
    above: Any = image
    for row, name in zip(rows, names, strict=True):
        above = _row(work, row, name, above) if isinstance(row, RowSpec) and row.block.value in BLOCKS else BROKEN
        work.later.discard(name)
        work.gives.setdefault(name, above)
        if isinstance(row, RowSpec):
            work.places.setdefault(name, row.span)
    outputs = _outputs(work, names[-1]) if rows else ()
    if not found:
        _idle(work)
    if found:
        return None
    graph = Graph(head, variant, tuple(work.net.nodes), tuple(work.rows), outputs)
    found += _dead(graph)
    return None if found else graph


def _row_names(rows: list[RowSpec | Scalar | None]) -> list[str]:
    """Each row's name; one without a name gets its block's, with a number."""
    taken = {str(r.name.value) for r in rows if isinstance(r, RowSpec) and r.name}
    counts: dict[str, int] = {}
    names = []
    for row in rows:
        if isinstance(row, RowSpec) and row.name:
            names.append(str(row.name.value))
            continue
        block = str(row.block.value) if isinstance(row, RowSpec) else "row"
        stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", block).lower()
        counts[stem] = counts.get(stem, 0) + 1
        while f"{stem}_{counts[stem]}" in taken:
            counts[stem] += 1
        names.append(f"{stem}_{counts[stem]}")
    return names


def _row(work: _Work, row: RowSpec, name: str, above: Any) -> Any:
    """Build one row; what it gives, or BROKEN."""
    before = len(work.found)
    if row.name and name in work.gives:
        _name_taken(work, row, name)
    block = BLOCKS[str(row.block.value)]
    inputs = _inputs(work, row, block, above)
    values = _options(work, row, block)
    if inputs is None or len(work.found) > before:
        return BROKEN
    start = len(work.net.nodes)
    try:
        output, repeat = _apply(work, row, block, name, inputs, values)
    except ShapeError as error:
        others = tuple(Label(place, text) for place, text in _seen(work, row, inputs))
        work.found.append(Diagnostic("shape-mismatch", str(error), row.span, others=others))
        return BROKEN
    except NameTaken as error:
        message = f"the name `{error}` is taken by a part of another row"
        work.found.append(Diagnostic("duplicate-name", message, (row.name or row.block).span))
        return BROKEN
    except TooLarge as error:
        if not any(d.code == "too-large" for d in work.found):
            work.found.append(Diagnostic("too-large", str(error), row.span))
        return BROKEN
    work.rows.append(
        RowNodes(name, block.name, repeat, row.span, start, len(work.net.nodes), output, row.name is not None)
    )
    return output


def _name_taken(work: _Work, row: RowSpec, name: str) -> None:
    assert row.name is not None
    if name == IMAGE:
        work.found.append(Diagnostic("duplicate-name", f"`{IMAGE}` is the name of the image", row.name.span))
        return
    first = (Label(work.places[name], "first here"),) if name in work.places else ()
    work.found.append(Diagnostic("duplicate-name", f"two rows have the name `{name}`", row.name.span, others=first))


def _inputs(work: _Work, row: RowSpec, block: Block, above: Any) -> list[Tensor] | None:
    """The tensors a row reads; None where one of them is broken or unknown."""
    if row.sources is None:
        return None if above is BROKEN else [above]
    tensors = []
    for source in row.sources:
        name = str(source.value)
        if name not in work.gives:
            work.found.append(_unknown_row(work, source, name))
            tensors.append(BROKEN)
        else:
            tensors.append(work.gives[name])
    if not block.several and len(tensors) != 1:
        message = f"block `{block.name}` reads one row, not {len(tensors)}"
        help = "join them above by `Concat` or `Add`"
        work.found.append(Diagnostic("wrong-inputs", message, row.sources[0].span, help=help))
        return None
    return None if BROKEN in tensors else tensors


def _unknown_row(work: _Work, source: Scalar, name: str) -> Diagnostic:
    if name in work.later:
        message = f"row `{name}` does not stand above"
        return Diagnostic("forward-reference", message, source.span, help="a row reads rows above it only")
    return Diagnostic("unknown-row", f"no row `{name}`", source.span, help=suggestion(name, list(work.gives)))


def _options(work: _Work, row: RowSpec, block: Block) -> dict[str, Any]:
    """Option values that are set anywhere: row over block default over `all`. Reports what is missing."""
    values: dict[str, Any] = {}
    own, every = work.head.defaults.get(block.name), work.head.defaults.get("all")
    for name, option in block.options.items():
        node: Node | None = row.options.get(name)
        for where, table in ((block.name, own), ("all", every)):
            if table is not None and (default := table.get(name)) is not None:
                work.used_defaults.add((where, name))
                node = node or default
        if node is not None:
            values[name] = read_value(option.kind, name, node, work.found)
        elif option.default is REQUIRED:
            message = f"block `{block.name}` needs `{name}`: {option.kind.expects}"
            work.found.append(Diagnostic("missing-option", message, row.span))
    return values


def _apply(
    work: _Work, row: RowSpec, block: Block, name: str, inputs: list[Tensor], values: dict[str, Any]
) -> tuple[Tensor, int]:
    """Call the block's function as often as the row repeats it."""
    for option, value in values.items():
        if block.options[option].kind.scaled and value is not None:
            values[option] = scaled_depth(value, work.head.scale, row.min_depth)
            work.widened |= values[option] != value
    repeat = scaled_repeat(row.repeat, work.head.scale)
    work.deepened |= repeat != (row.repeat or 1)
    output = inputs[0]
    asked = int(values.get("stride", _default(block, "stride", 1)))
    for i, stride in enumerate(strides(asked, repeat)):
        work.net.prefix = name if repeat == 1 else f"{name}_{i + 1}"
        pace = _slowest(work, inputs)
        adjusted, after = _paced(work, row, block, values, pace, stride)
        output = _call(block, work.net, inputs, adjusted)
        if output.node != INPUT:
            work.pace[output.node] = after or _measured(inputs[0], output, pace)
        inputs = [output]
    return output, repeat


def _slowest(work: _Work, inputs: list[Tensor]) -> Pace:
    return max((work.pace.get(t.node, Pace()) for t in inputs), key=lambda p: (p.stride, p.rate))


def _measured(before: Tensor, after: Tensor, pace: Pace) -> Pace:
    """The pace after a row without a stride of its own: a resize, a transposed convolution, a side output."""
    if len(before.shape) != 3 or len(after.shape) != 3 or after.shape[0] <= before.shape[0]:
        return pace
    return Pace(pace.stride * before.shape[0] / after.shape[0], 1)


def _default(block: Block, option: str, other: Any) -> Any:
    return block.options[option].default if option in block.options else other


def _paced(
    work: _Work, row: RowSpec, block: Block, values: Mapping[str, Any], pace: Pace, stride: int
) -> tuple[dict[str, Any], Pace | None]:
    """The options of one repetition, its stride and rate bent to `output_stride`; and the pace after it."""
    adjusted = dict(values)
    if "stride" not in block.options or block.name == "TransposeConv":
        return adjusted, None
    given, rate, after = paced(pace, stride, work.head.output_stride)
    adjusted["stride"] = given
    if "rate" in block.options:
        own = values.get("rate", _default(block, "rate", 1))
        adjusted["rate"] = own if given > 1 else own * rate
    elif given != stride:
        message = f"`output_stride` {work.head.output_stride} takes the stride of a `{block.name}`, which has no rate"
        if not any(d.span == row.span and d.code == "output-stride" for d in work.found):
            work.found.append(Diagnostic("output-stride", message, row.span))
    return adjusted, after


def _call(block: Block, net: Net, inputs: list[Tensor], values: Mapping[str, Any]) -> Tensor:
    arguments = block.arguments(values)
    output = block.function(net, inputs if block.several else inputs[0], **arguments)
    if not isinstance(output, Tensor):
        raise TypeError(f"block `{block.name}` gave {type(output).__name__}, not a tensor")
    return output


def _seen(work: _Work, row: RowSpec, inputs: list[Tensor]) -> list[tuple[Span, str]]:
    """What a shape error's row reads, as labels at the rows that give it."""
    if row.sources is None:
        if inputs[0].node == INPUT or not work.rows:
            return []
        return [(work.rows[-1].span, f"the row above is {show(inputs[0].shape)}")]
    names = [str(s.value) for s in row.sources]
    return [(work.places[n], f"`{n}` is {show(t.shape)}") for n, t in zip(names, inputs, strict=True) if n in work.places]


def _outputs(work: _Work, last: str) -> tuple[tuple[str, Tensor], ...]:
    outputs: dict[str, Tensor] = {}
    for scalar in work.head.outputs:
        name = str(scalar.value)
        if name in outputs:
            work.found.append(Diagnostic("duplicate-name", f"output `{name}` stands twice", scalar.span))
        elif name == IMAGE or name not in work.gives:
            rows = [n for n in work.gives if n != IMAGE]
            work.found.append(Diagnostic("unknown-row", f"no row `{name}`", scalar.span, help=suggestion(name, rows)))
        elif work.gives[name] is not BROKEN:
            outputs[name] = work.gives[name]
    if not work.head.outputs and isinstance(work.gives[last], Tensor):
        outputs[last] = work.gives[last]
    return tuple(outputs.items())


def _idle(work: _Work) -> None:
    """Report defaults and multipliers that change nothing."""
    for where, table in work.head.defaults.items():
        for key, _ in table.entries:
            if (where, str(key.value)) not in work.used_defaults:
                who = "block" if where == "all" else f"`{where}` row"
                message = f"the default `{key.value}` changes nothing: no {who} has it"
                work.found.append(Diagnostic("unused-default", message, key.span))
    scale, tree = work.head.scale, work.head.tree.get("scale")
    for name, changed in (("width", work.widened), ("layers", work.deepened)):
        if getattr(scale, name) != 1 and not changed and tree is not None:
            place = tree.get(name) or tree  # type: ignore[union-attr]
            message = f"`{name}: {getattr(scale, name):g}` changes nothing"
            what = "no depth" if name == "width" else "no `repeat`"
            work.found.append(Diagnostic("idle-multiplier", message, place.span, help=f"{what} of any row comes out different"))
    if work.head.output_stride is not None and max((p.rate for p in work.pace.values()), default=1) == 1:
        strided = max(p.stride for p in work.pace.values())
        if strided <= work.head.output_stride and strided < work.head.output_stride:
            place = work.head.tree.get("output_stride") or work.head.tree
            message = f"`output_stride: {work.head.output_stride}` changes nothing: the network's is {strided}"
            work.found.append(Diagnostic("idle-multiplier", message, place.span))


def _dead(graph: Graph) -> list[Diagnostic]:
    """A row that no output needs."""
    alive: set[int] = set()
    stack = [tensor.node for _, tensor in graph.outputs]
    while stack:
        node = stack.pop()
        if node != INPUT and node not in alive:
            alive.add(node)
            stack += [t.node for t in graph.nodes[node].inputs]
    return [
        Diagnostic("dead-row", f"no output needs row `{row.name}`", row.span, help="name it in a row's `from` or in `outputs`, or drop it")
        for row in graph.rows
        if row.stop > row.start and not any(i in alive for i in range(row.start, row.stop))
    ]


