"""An SSD's file with the ops behind its heads: boxes come out, without doubles, in the place of maps.

The op is TensorFlow Lite's own `TFLite_Detection_PostProcess` (tensorflow/lite/kernels/detection_postprocess.cc), which
interpreters register without being asked. It takes floats, so that what is integer ends before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.artifact import ArtifactError
from archspec.detection.anchors import CENTRE_VARIANCE, SIZE_VARIANCE, Heads
from archspec.quantize.versions import VERSIONS
from archspec.spec import Nms
from archspec.tflite.compact import packed
from archspec.tflite.model import read_model
from archspec.tflite.runtimes import DETECTION

BOXES, CLASSES, SCORES, COUNT = OUTPUTS = ("boxes", "classes", "scores", "count")
"""In the op's order: (1, most, 4) as top, left, bottom, right in shares of the input's sides, (1, most) from 0 without
the background, (1, most) from the greatest down, and (1,) how many of them there are. The rest is 0."""


def suppressing(data: bytes, heads: Heads, nms: Nms) -> bytes:
    """The file `data`, whose outputs are those of `heads`, with the outputs `OUTPUTS`. Raises ArtifactError."""
    model = read_model(data)
    tail, (signature,) = _Tail(model), model.signatureDefs
    ends = {end.name.decode(): end.tensorIndex for end in signature.outputs}
    wanted = *heads.boxes, *heads.scores
    if sorted(ends) != sorted(wanted):
        raise ArtifactError(f"outputs {', '.join(ends)} instead of the heads {', '.join(wanted)}")
    offsets = tail.joined("offsets", [ends[name] for name in heads.boxes], 4)
    logits = tail.joined("logits", [ends[name] for name in heads.scores], heads.classes)
    scores = tail.op("SOFTMAX", [logits], ["probabilities"], [(1, len(heads.anchors), heads.classes)], beta=1.0)
    made = tail.custom([offsets, *scores, tail.constant(_centred(heads))], _options(heads, nms), nms.most)
    model.subgraphs[0].outputs = np.array(made, np.int32)
    signature.outputs = [tail.schema.TensorMapT(n.encode(), i) for n, i in zip(OUTPUTS, made, strict=True)]
    return packed(model, len(data))


def _centred(heads: Heads) -> Any:
    """The anchors as the op takes them: centre and size, down and across."""
    low, high = heads.anchors[:, :2], heads.anchors[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], 1).astype(np.float32)


def _options(heads: Heads, nms: Nms) -> bytes:
    from flatbuffers import flexbuffers

    return bytes(
        flexbuffers.Dumps(
            {
                "max_detections": nms.most,
                "max_classes_per_detection": 1,  # of suppression over all classes at once, which is not used
                "detections_per_class": nms.most,
                "use_regular_nms": True,
                "nms_score_threshold": nms.score,
                "nms_iou_threshold": nms.overlap,
                "num_classes": heads.classes - 1,
                "y_scale": 1 / CENTRE_VARIANCE,
                "x_scale": 1 / CENTRE_VARIANCE,
                "h_scale": 1 / SIZE_VARIANCE,
                "w_scale": 1 / SIZE_VARIANCE,
            }
        )
    )


@dataclass(eq=False)
class _Tail:
    """Adds float tensors and ops to the end of a `ModelT`'s graph; alive inside `suppressing` only."""

    model: Any

    def __post_init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema: Any = schema
        self.graph = self.model.subgraphs[0]

    def joined(self, joint: str, maps: Sequence[int], values: int) -> int:
        """Maps (1, height, width, anchors · values) as one tensor of floats, (1, anchors, values)."""
        flat, count = [], 0
        kinds = {number: kind for kind, number in vars(self.schema.TensorType).items() if kind[0] != "_"}
        for tensor in maps:
            old = self.graph.tensors[tensor]
            name, shape = old.name.decode(), tuple(int(n) for n in old.shape)
            if (kind := kinds[old.type]) != "FLOAT32":
                version = VERSIONS.get(kind, {}).get("DEQUANTIZE", 1)
                (tensor,) = self.op("DEQUANTIZE", [tensor], [f"{name}_float"], [shape], version)
            anchors = int(np.prod(shape)) // values
            flat += self.reshaped(tensor, f"{name}_flat", (1, anchors, values))
            count += anchors
        if len(flat) == 1:
            return flat[0]
        return self.op("CONCATENATION", flat, [joint], [(1, count, values)], axis=1)[0]

    def reshaped(self, tensor: int, name: str, shape: tuple[int, ...]) -> list[int]:
        wanted = self.constant(np.array(shape, np.int32))
        return self.op("RESHAPE", [tensor, wanted], [name], [shape], newShape=list(shape))

    def custom(self, inputs: Sequence[int], options: bytes, most: int) -> list[int]:
        shapes = [(1, most, 4), (1, most), (1, most), (1,)]
        made = self.op("CUSTOM", inputs, OUTPUTS, shapes, code=DETECTION.encode())
        self.graph.operators[-1].customOptions = list(options)
        return made

    def op(
        self, op: str, inputs: Sequence[int], names: Sequence[str], shapes: Sequence[tuple[int, ...]],
        version: int = 1, code: bytes | None = None, **options: Any,
    ) -> list[int]:  # fmt: skip
        """Add an op that gives tensors of floats; their numbers."""
        made = [self._tensor(name, shape, "FLOAT32", 0) for name, shape in zip(names, shapes, strict=True)]
        known = (getattr(self.schema.BuiltinOperator, op), code, version)
        codes = self.model.operatorCodes
        number = next((i for i, c in enumerate(codes) if (c.builtinCode, c.customCode, c.version) == known), len(codes))
        if number == len(codes):
            codes.append(self.schema.OperatorCodeT(min(known[0], 127), code, version, known[0]))
        added = self.schema.OperatorT(number, np.array(inputs, np.int32), np.array(made, np.int32))
        if options:
            kind = {"SOFTMAX": "Softmax", "CONCATENATION": "Concatenation", "RESHAPE": "Reshape"}[op] + "Options"
            added.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            added.builtinOptions = getattr(self.schema, f"{kind}T")(**options)
        self.graph.operators.append(added)
        return made

    def constant(self, values: Any) -> int:
        """Add an array of floats or int32."""
        self.model.buffers.append(self.schema.BufferT(values.view(np.uint8).ravel()))
        kind = {"float32": "FLOAT32", "int32": "INT32"}[str(values.dtype)]
        name = "anchors" if kind == "FLOAT32" else "shape"
        return self._tensor(name, values.shape, kind, len(self.model.buffers) - 1)

    def _tensor(self, name: str, shape: tuple[int, ...], kind: str, buffer: int) -> int:
        self.graph.tensors.append(
            self.schema.TensorT(list(shape), getattr(self.schema.TensorType, kind), buffer, name.encode())
        )
        return len(self.graph.tensors) - 1
