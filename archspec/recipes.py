"""What a spec's `train` section says, held against the network and against itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archspec.diagnostics import Diagnostic, Label, suggestion
from archspec.graph import Graph
from archspec.ops import show
from archspec.recipe import SOURCES_OF, Train
from archspec.source import Map, Node, Scalar, Seq

PATHS = ("pairs", "masks", "folders", "csv", "coco", "cifar10", "cifar100", "tfrecord")
"""The sources that are a file or a folder."""

USES: tuple[tuple[str, str, Mapping[str, tuple[str, ...]]], ...] = (
    (
        "optimizer",
        "",
        {
            "momentum": ("momentum", "rmsprop"),
            "decay": ("rmsprop",),
            "epsilon": ("rmsprop", "adam", "adamw"),
            "weight_decay": ("adamw",),
        },
    ),
    (
        "kind",
        "schedule",
        {
            **dict.fromkeys(("factor", "every", "every_epochs", "staircase"), ("exponential",)),
            **dict.fromkeys(("boundaries", "factors"), ("piecewise",)),
            "floor": ("cosine",),
        },
    ),
    (
        "source",
        "data",
        {
            **dict.fromkeys(("count", "backgrounds", "papers", "shares", "amodal"), ("documents",)),
            "path": PATHS,
            "validation": (*PATHS, "tfds"),
            "name": ("tfds",),
        },
    ),
    (
        "task",
        "loss",
        {
            "sides": ("edges", "classification", "segmentation"),
            **dict.fromkeys(("label_smoothing", "activation"), ("classification",)),
            "balance": ("edges",),
            "ignore": ("segmentation",),
            "negatives": ("detection",),
        },
    ),
    ("task", "augment", {"mixup": ("classification",)}),
)
"""The setting that decides, the section, and which of its keys mean something under which values of the setting."""


def check_recipe(graph: Graph) -> Iterator[Diagnostic]:
    """What is wrong with the training of a network."""
    train, tree = graph.head.train, graph.head.tree.get("train")
    if train is None or not isinstance(tree, Map):
        return
    for setting, section, uses in USES:
        yield from _idle(train, tree, setting, section, uses)
    yield from _length(tree, train)
    yield from _schedule(train, tree.get("schedule"))
    yield from _data(train, tree)
    yield from _rows(graph, tree)
    yield from _crop(graph, _in(tree.get("augment"), "crop"))
    sides = _in(tree.get("loss"), "sides")
    if sides is not None and train.loss.sides and len(graph.outputs) < 2:
        message = "`sides` changes nothing: the network has one output"
        yield Diagnostic("conflicting-keys", message, sides.span, help="name more rows in `outputs`, or drop it")


def source_of(train: Train) -> str:
    """The source that a task's examples come from."""
    return train.data.source or SOURCES_OF[train.task][0]


def _in(node: Node | None, key: str) -> Node | None:
    return node.get(key) if isinstance(node, Map) else None


def _idle(
    train: Train, tree: Map, setting: str, section: str, uses: Mapping[str, tuple[str, ...]]
) -> Iterator[Diagnostic]:
    """Keys that the setting makes meaningless."""
    value = {
        "optimizer": train.optimizer, "kind": train.schedule.kind, "source": source_of(train), "task": train.task,
    }[setting]  # fmt: skip
    inside = tree.get(section) if section else tree
    said = _in(inside, setting) if setting != "task" else tree.get("task")
    for key, values in uses.items():
        node = _in(inside, key)
        if node is not None and value not in values:
            message = f"`{key}` changes nothing under `{setting}: {value}`"
            others = (Label(said.span, "said here"),) if said else ()
            help = f"drop it, or choose {' or '.join(f'`{v}`' for v in values)}"
            yield Diagnostic("conflicting-keys", message, node.span, others=others, help=help)


def _length(tree: Map, train: Train) -> Iterator[Diagnostic]:
    steps, epochs = tree.get("steps"), tree.get("epochs")
    if steps and epochs:
        others = (Label(epochs.span, "epochs"),)
        message = "`steps` and `epochs` say the same thing twice"
        yield Diagnostic("conflicting-keys", message, steps.span, others=others, help="keep one of them")
    after = tree.get("quantize_after")
    if after and train.steps is not None and (train.quantize_after or 0) >= train.steps:
        message = f"training ends after {train.steps} steps, before `quantize_after` comes"
        yield Diagnostic("out-of-range", message, after.span)


def _schedule(train: Train, node: Node | None) -> Iterator[Diagnostic]:
    schedule = train.schedule
    if node is None:
        return
    if schedule.kind == "exponential" and (schedule.every is None) == (schedule.every_epochs is None):
        message = "an exponential schedule has either `every` (steps) or `every_epochs`"
        yield Diagnostic("missing-key" if schedule.every is None else "conflicting-keys", message, node.span)
    if schedule.kind == "piecewise":
        if not schedule.boundaries or len(schedule.factors) != len(schedule.boundaries) + 1:
            message = f"{len(schedule.boundaries)} `boundaries` and {len(schedule.factors)} `factors`"
            help = "give one factor more than boundaries: the first holds before the first boundary"
            yield Diagnostic("wrong-length", message, node.span, help=help)
        boundaries = _in(node, "boundaries")
        if boundaries and list(schedule.boundaries) != sorted({b for b in schedule.boundaries if b > 0}):
            yield Diagnostic("out-of-range", "`boundaries` must be steps that grow", boundaries.span)


def _data(train: Train, tree: Map) -> Iterator[Diagnostic]:
    data, said = tree.get("data"), _in(tree.get("data"), "source")
    source, known = source_of(train), SOURCES_OF[train.task]
    place = (data if isinstance(data, Map) else tree).span
    if said and source not in known:
        message = f"`{source}` does not say what the task `{train.task}` learns"
        help = f"choose one of {', '.join(f'`{k}`' for k in known)}"
        yield Diagnostic("conflicting-keys", message, said.span, help=help)
    for key, sources in (("path", PATHS), ("name", ("tfds",))):
        if source in sources and getattr(train.data, key) is None:
            yield Diagnostic("missing-key", f"source `{source}` has no `{key}`", (said or tree).span if said else place)
    validation, share = _in(data, "validation"), _in(data, "holdout")
    if validation and share:
        message = "with `validation` no share of the examples is held out"
        others = (Label(validation.span, "measured on"),)
        yield Diagnostic("conflicting-keys", message, share.span, others=others, help="drop `holdout`")


def _rows(graph: Graph, tree: Map) -> Iterator[Diagnostic]:
    rows = [row.name for row in graph.rows]
    freeze, rates, fresh = tree.get("freeze"), tree.get("learning_rates"), tree.get("fresh")
    named = _scalars(freeze) + ([key for key, _ in rates.entries] if isinstance(rates, Map) else [])
    frozen = graph.head.train.freeze if graph.head.train else ()
    learns = {row.name for row, node in graph.row_of() if any(w.trainable for w in node.op.weights(*node.input_shapes))}
    if freeze and learns <= set(frozen):
        yield Diagnostic("conflicting-keys", "`freeze` leaves no row that could learn", freeze.span)
    yield from _named(named, rows)
    yield from _named(_scalars(fresh), rows)
    for scalar in _scalars(fresh):
        name = str(scalar.value)
        if name in frozen:
            message = f"row `{name}` begins with random weights, and `freeze` keeps them"
            yield Diagnostic("conflicting-keys", message, scalar.span)
        elif name in rows and name not in learns:
            yield Diagnostic("conflicting-keys", f"row `{name}` has no weights that could learn", scalar.span)


def _scalars(node: Node | None) -> list[Scalar]:
    return [s for s in node.items if isinstance(s, Scalar)] if isinstance(node, Seq) else []


def _named(named: list[Scalar], rows: list[str]) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for scalar in named:
        name = str(scalar.value)
        if name in seen:
            yield Diagnostic("duplicate-name", f"row `{name}` stands twice", scalar.span, help="name each row once")
        elif name not in rows:
            help = suggestion(name, rows)
            yield Diagnostic("unknown-row", f"no row has the name `{name}`", scalar.span, help=help)
        seen.add(name)


def _crop(graph: Graph, node: Node | None) -> Iterator[Diagnostic]:
    """A crop that could leave nothing of a picture."""
    train = graph.head.train
    if node is not None and train is not None and 2 * train.augment.crop > min(graph.input_shape[:2]):
        message = f"a crop of {train.augment.crop} pixels on each side of {show(graph.input_shape)}"
        yield Diagnostic("out-of-range", message, node.span, help="move a picture by half of its side at most")
