"""From a spec to the folder of a run: the resolved spec that repeats it, where its files go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from archspec import overlay
from archspec.analysis import Document, Network
from archspec.calibration import input_entry
from archspec.photo import InputContract
from archspec.recipe import Train
from archspec.recipes import PATHS, source_of
from archspec.source import plain, text_of
from archspec.train import TrainError
from archspec.train.examples import ExampleError
from archspec.train.feed import mean_of, readable
from archspec.train.fit import fit
from archspec.train.schedule import steps_of
from archspec.train.sources import Asked, open_sources
from archspec.train.tasks import task_of

FOLDERS = ("path", "validation", "backgrounds", "papers")


def resolved(doc: Document, network: Network, root: Path, mean: tuple[float, ...] | None) -> str:
    """The spec of one network as text: its variant laid over, names and overrides put in, paths from `root` absolute.

    `mean`, of 0 to 255 for each channel, takes the place of that in the input contract.
    """
    tree: dict[str, Any] = plain(overlay.network(doc.root, network.variant, []))
    for key in ("let", "expect"):
        tree.pop(key, None)
    for target in (tree.get("targets") or {}).values():
        target.pop("variant", None)
    data, train = tree["train"].get("data", {}), network.graph.head.train
    if train is not None and source_of(train) in (*PATHS, "documents"):
        data.update({key: str((root / Path(data[key]).expanduser()).resolve()) for key in FOLDERS if key in data})
    if mean is not None:
        contract, span = tree["input"], tree["input"].pop("range", None)
        contract["mean"] = [round(value, 4) for value in mean]
        if span is not None:
            contract["std"] = 255 / (span[1] - span[0])
        data.pop("zero_centre")
    return text_of(tree)


def checked(
    network: Network, root: Path, told: Callable[[ExampleError], None]
) -> tuple[Train, tuple[float, ...] | None]:  # fmt: skip
    """The recipe of a network whose examples are there and fit it, and their mean where the recipe asks for that.

    `told` hears of examples that cannot be read and are skipped. Raises TrainError.
    """
    train, head = network.graph.head.train, network.graph.head
    if train is None:
        raise TrainError(f"{network.spec}: no `train` section; add one: `train: {{task: classification}}`")
    contract = InputContract.from_manifest(input_entry(head.input))
    examples, _ = open_sources(Asked(train, contract, root))
    after, steps = train.quantize_after, steps_of(train, len(examples))
    if after is not None and after >= steps:
        raise TrainError(f"training ends after {steps} steps, before `quantize_after: {after}` comes")
    found = partial(readable, examples.read, len(examples), train.data.broken, told)
    _, first = next(found())
    task_of(train, network.graph, examples.labels).truth(fit(first, contract))
    if not train.data.zero_centre:
        return train, None
    return train, mean_of(found(), contract)


def new_folder(runs: Path, name: str | None, model: str) -> Path:
    """The folder of a new run, made: the name asked for, else the model's with the first number that is free.

    Raises TrainError where a folder of that name is there, OSError.
    """
    runs.mkdir(parents=True, exist_ok=True)
    if name is not None:
        try:
            (runs / name).mkdir()
        except FileExistsError:
            raise TrainError(f"{runs / name} is there already; go on with it by --resume {runs / name}") from None
        return runs / name
    for number in range(1, 1_000_000):
        folder = runs / (model if number == 1 else f"{model}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise TrainError(f"{runs}: too many runs of {model}")
