"""The constants of a TFLite file, as the floats that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np

from archspec.weights.errors import WeightsError
from archspec.weights.units import Array

TYPES = {  # of the format -> numpy's; all little-endian
    "FLOAT32": "<f4", "FLOAT16": "<f2", "INT8": "i1", "UINT8": "u1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
}  # fmt: skip
FLOATS = ("FLOAT32", "FLOAT16")


class Constants:
    """The tensors of a file's one graph that hold values. `graph` and `buffers` are objects of the schema's."""

    def __init__(self, graph: Any, buffers: list[Any], data: bytes, dtypes: dict[int, str]) -> None:
        self._tensors, self._buffers, self._data, self._dtypes = graph.tensors, buffers, data, dtypes
        self._same: dict[int, int] = {}  # what dequantizes a constant -> the constant

    def alias(self, tensor: int, constant: int) -> None:
        """Take `tensor`, which an operator makes of `constant`, for it."""
        self._same[tensor] = self._same.get(constant, constant)

    def dtype(self, tensor: int) -> str:
        """As the format spells it: `INT8`."""
        return self._dtypes[self._tensors[self._same.get(tensor, tensor)].type]

    def shape(self, tensor: int) -> tuple[int, ...]:
        found = self._tensors[tensor].shape
        return () if found is None else tuple(int(side) for side in found)

    def values(self, tensor: int) -> Array | None:
        """The values as floats; None for what the network computes. Raises WeightsError for what is not read."""
        found = self._tensors[self._same.get(tensor, tensor)]
        stored = self._stored(self._buffers[found.buffer])
        if stored is None:
            return None
        name, dtype = f"tensor `{found.name.decode()}`", self.dtype(tensor)
        if found.sparsity is not None:
            raise WeightsError(f"{name} is sparse, which is not read")
        if dtype not in TYPES:
            raise WeightsError(f"{name} holds {dtype.lower()}, which is not read")
        values = np.frombuffer(stored, TYPES[dtype]).reshape(self.shape(self._same.get(tensor, tensor)))
        return values.astype(np.float32) if dtype in FLOATS else _dequantized(values, found.quantization, name)

    def _stored(self, buffer: Any) -> bytes | None:
        if buffer.offset > 1:  # behind the tables, in files that are too large for them
            return self._data[buffer.offset : buffer.offset + buffer.size]
        return None if buffer.data is None or not len(buffer.data) else bytes(buffer.data)


def _dequantized(values: Array, quantization: Any, name: str) -> Array:
    """(stored - zero point) * scale, by tensor or along one axis. Raises WeightsError where there is no scale."""
    if quantization is None or quantization.scale is None:
        raise WeightsError(f"{name} holds {values.dtype} without a scale")
    scale = np.asarray(quantization.scale, np.float64)
    zero = np.zeros(1) if quantization.zeroPoint is None else np.asarray(quantization.zeroPoint, np.float64)
    shape = [1] * values.ndim
    if scale.size > 1:
        shape[quantization.quantizedDimension] = scale.size
    steps = values.astype(np.float64) - np.broadcast_to(zero, scale.shape).reshape(shape)
    return np.asarray(steps * scale.reshape(shape), np.float32)
