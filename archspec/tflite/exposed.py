"""A .tflite file whose inner tensors are its outputs, so that any runtime tells them."""

from __future__ import annotations

from collections.abc import Iterable

from archspec.artifact import ArtifactError
from archspec.tflite.compact import packed
from archspec.tflite.model import read_model


def exposed(data: bytes, wanted: Iterable[int]) -> bytes:
    """The file with the tensors `wanted`, by number, as its outputs, sorted; each is named by `name_of`.

    They are to be computed in an inference: no inputs and no constants. Raises ArtifactError where the file is broken,
    has more than one subgraph, or no signature.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = read_model(data)
    if len(model.subgraphs) != 1 or not model.signatureDefs:
        raise ArtifactError("only a file with one subgraph and a signature can tell its inner tensors")
    (graph,), signature = model.subgraphs, model.signatureDefs[0]
    graph.outputs = sorted(set(wanted))
    signature.outputs = [schema.TensorMapT(name_of(i), i) for i in graph.outputs]
    model.signatureDefs = [signature]
    return packed(model, len(data))


def name_of(tensor: int) -> str:
    """What an exposed tensor is called: sorted by name they stand as sorted by number, as runtimes may order them."""
    return f"t{tensor:06}"
