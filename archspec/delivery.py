"""What a build adds to its artifacts for apps: metadata and labels inside each file, a folder to copy into an app."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from archspec.analysis import Document, Network
from archspec.calibration import input_entry
from archspec.deliver.android import FOLDER, Delivery, DeliveryError, layout
from archspec.deliver.embed import with_files, with_metadata
from archspec.deliver.labels import FILE, LabelsError, labels_text, read_labels
from archspec.deliver.metadata import Description
from archspec.detection.anchors import AnchorError, heads_of
from archspec.diagnostics import Diagnostic, SpecError
from archspec.graph import Graph
from archspec.manifest import DISTRIBUTION, versions
from archspec.nms.tail import OUTPUTS
from archspec.photo import InputContract
from archspec.spec import Head


def contract_of(head: Head) -> InputContract | None:
    """How a photo becomes the network's input; None where it takes no photo."""
    try:
        return InputContract.from_manifest(input_entry(head.input))
    except ValueError:
        return None


def labels_of(doc: Document, network: Network) -> tuple[str, ...]:
    """The labels that a spec names. Raises SpecError where they do not fit an output, or cannot be read."""
    said = network.graph.head.labels
    if not said:
        return ()
    given = Path(doc.source.name).parent / Path(said).expanduser() if isinstance(said, str) else said
    units = _units(network.graph)
    try:
        try:
            return read_labels(given, units[0])
        except LabelsError:
            fitting = (_fitting(given, count) for count in units[1:])
            if labels := next((found for found in fitting if found), None):
                return labels
            raise
    except LabelsError as error:
        node = network.graph.head.tree.get("labels")
        assert node is not None
        raise SpecError([Diagnostic("wrong-length", str(error), node.span)]) from None


def _units(graph: Graph) -> list[int]:
    """How many labels each output has; all of an SSD's together one for each class but the background."""
    try:
        return [heads_of(graph).classes - 1]
    except AnchorError:
        return [tensor.shape[-1] for _, tensor in graph.outputs]


def _fitting(given: Path | tuple[str, ...], units: int) -> tuple[str, ...] | None:
    try:
        return read_labels(given, units)
    except LabelsError:
        return None


def described(data: bytes, graph: Graph, text: str, labels: tuple[str, ...], objects: bool = False) -> bytes:
    """An artifact with metadata and labels in it; `text` is the spec's. Raises MetadataError, ArtifactError.

    With `objects` its outputs are those of `nms.tail`, not the network's.
    """
    head = graph.head
    version = f"archspec {versions()[DISTRIBUTION]}, spec {hashlib.sha256(text.encode()).hexdigest()[:12]}"
    outputs = ", ".join(OUTPUTS if objects else (name for name, _ in graph.outputs))
    said = f"{head.model}{f', variant {graph.variant}' if graph.variant else ''}: {outputs}"
    # labels of another output than those that are served are not this file's
    fits = objects or any(tensor.shape[-1] == len(labels) for _, tensor in graph.outputs)
    fitting = labels if fits else ()
    made = with_metadata(data, Description(head.model, version, said, contract_of(head), fitting, objects))
    return with_files(made, {FILE: labels_text(fitting).encode()} if fitting else {})


def app_files(
    head: Head, files: Mapping[str, bytes], contracts: Mapping[str, InputContract | None], labels: tuple[str, ...],
    say: Callable[[str], None],
) -> dict[str, bytes | str]:  # fmt: skip
    """The folder for apps by path below the build's: `files` and what each is fed, by ABI. Empty, and `say` is told
    why, where they are no photos, or not the same ones.
    """
    known = {abi: contract for abi, contract in contracts.items() if contract is not None}
    if not files or len(known) < len(files):
        return {}
    try:
        made = layout(Delivery(head.model, files, known, labels))
    except DeliveryError as error:
        say(f"no {FOLDER}/ for apps: {error}")
        return {}
    return {f"{FOLDER}/{path}": content for path, content in made.items()}
