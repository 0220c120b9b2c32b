"""The folder that an Android engineer copies into an app: assets by ABI, sources, and how to use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archspec.artifact import TensorInfo, inspect_tflite
from archspec.deliver import snippets
from archspec.deliver.labels import FILE as LABELS
from archspec.deliver.labels import labels_text
from archspec.deliver.metadata import OBJECTS
from archspec.nms.tail import CLASSES, COUNT
from archspec.photo import InputContract

FOLDER = "android"
README = "README.txt"
LITERT = "2.3.0"  # of com.google.ai.edge.litert; what artifacts are verified with (ai-edge-litert in pyproject.toml)


class DeliveryError(Exception):
    """Artifacts that cannot be served by one folder."""


@dataclass(frozen=True)
class Delivery:
    """What an app gets: for each ABI the .tflite file's bytes and what it is to be fed, and the labels."""

    model: str
    files: Mapping[str, bytes]
    inputs: Mapping[str, InputContract]
    labels: tuple[str, ...] = ()


def layout(delivery: Delivery) -> dict[str, bytes | str]:
    """The files of `android/`, by their path in it. ABIs with the same bytes share one asset.

    Raises DeliveryError where the ABIs' inputs differ (their variants say so), ArtifactError for a broken file.
    """
    contracts = {delivery.inputs[abi] for abi in delivery.files}
    if len(contracts) != 1:
        raise DeliveryError(f"{', '.join(delivery.files)} are fed {len(contracts)} different inputs, not the same one")
    (contract,) = contracts
    model, assets = delivery.model, _assets(delivery)
    found: dict[str, bytes | str] = {README: _readme(delivery, assets)}
    found |= {f"src/main/assets/{path}": delivery.files[abi] for abi, path in assets.items()}
    if delivery.labels:
        found[f"src/main/assets/{model}/{LABELS}"] = labels_text(delivery.labels)
    sources = {"java/archspec": snippets.java(model, contract, assets), "cpp": snippets.cpp(model, contract)}
    found |= {f"src/main/{folder}/{name}": text for folder, texts in sources.items() for name, text in texts.items()}
    return found


def _assets(delivery: Delivery) -> dict[str, str]:
    """ABI -> asset. One of several equal files is there, by its first ABI's name."""
    first: dict[bytes, str] = {}
    return {abi: f"{delivery.model}/{first.setdefault(data, abi)}.tflite" for abi, data in delivery.files.items()}


def _readme(delivery: Delivery, assets: Mapping[str, str]) -> str:
    served: dict[str, list[str]] = {}
    for abi, path in assets.items():
        served.setdefault(path.rpartition("/")[2], []).append(abi)
    files = [f"{file} for {_and(abis)}" for file, abis in served.items()] + ([LABELS] if delivery.labels else [])
    return snippets.fill(
        README, delivery.model, files=("\n" + " " * 29).join(files), litert=LITERT,
        answers="\n".join(_answers(delivery, served.values())),
    )  # fmt: skip


def _answers(delivery: Delivery, served: Iterable[Sequence[str]]) -> list[str]:
    """Kotlin that names what the network answers; where files differ in it, after a comment for which ABIs.

    `served` has the ABIs of each file.
    """
    given: dict[tuple[str, ...], list[str]] = {}
    for abis in served:
        outputs = inspect_tflite(delivery.files[abis[0]]).outputs
        given.setdefault(tuple(_named(delivery, outputs)), []).extend(abis)
    told = [line for lines, abis in given.items() for line in (f"  // on {_and(abis)}", *lines)]
    return told if len(given) > 1 else told[1:]


def _named(delivery: Delivery, outputs: Sequence[TensorInfo]) -> list[str]:
    """Kotlin that names a file's outputs, and what its labels are for."""
    objects = OBJECTS if [info.name for info in outputs] == list(OBJECTS) else {}
    answers = [f'  answers["{info.name}"]  // {_shape(info)} {objects.get(info.name, "")}'.rstrip() for info in outputs]
    return answers + _labelled(delivery, outputs, bool(objects))


def _shape(info: TensorInfo) -> str:
    return "×".join(str(n) for n in info.shape[1:]) or "1"


def _labelled(delivery: Delivery, outputs: Sequence[TensorInfo], objects: bool) -> list[str]:
    """Kotlin that names the likeliest class, or the classes of all objects; none without labels for them."""
    scores = [info.name for info in outputs if info.shape[1:] == (len(delivery.labels),)]
    if not delivery.labels:
        return []
    if objects:
        named = (
            f'answers.getValue("{CLASSES}").take(answers.getValue("{COUNT}")[0].toInt()).map {{ labels[it.toInt()] }}'
        )
    elif scores:
        named = f'labels[answers.getValue("{scores[0]}").withIndex().maxByOrNull {{ it.value }}!!.index]'
    else:
        return []
    return [f'  val labels = assets.open("{delivery.model}/{LABELS}").bufferedReader().readLines()', f"  {named}"]


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
