"""The range of every activation of a float .tflite file, over images."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from archspec.tflite.model import read_model

Range = tuple[float, float]


def ranges(data: bytes, images: NDArray[np.float32]) -> dict[str, Range]:
    """The least and the greatest value of each float tensor that the file computes, and of its image, by name.

    `images` (n, height, width, channels) in model units. All values count, as TensorFlow's own calibration has it; a
    moving average, which ai-edge-quantizer takes, falls short of the extremes of few images. Raises ArtifactError
    where the file is broken.
    """
    from ai_edge_litert.interpreter import Interpreter

    model = read_model(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of the memory that all tensors take, which is what is asked for
        interpreter = Interpreter(model_content=data, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    (image,) = (int(i) for i in model.subgraphs[0].inputs)
    written = [int(i) for operator in model.subgraphs[0].operators for i in operator.outputs]
    floats = {d["index"] for d in interpreter.get_tensor_details() if d["dtype"] is np.float32}
    found: dict[int, Range] = {}
    for one in images:
        interpreter.set_tensor(image, one[None])
        interpreter.invoke()
        for i in (image, *written):
            if i in floats:
                values = interpreter.get_tensor(i)
                low, high = found.get(i, (np.inf, -np.inf))
                found[i] = min(low, float(values.min())), max(high, float(values.max()))
    return {model.subgraphs[0].tensors[i].name.decode(): range_ for i, range_ in found.items()}
