"""The program that runs a .tflite file on this machine, as the C programs do on an ABI.

python -m archspec.abi.host RESOLVER MODEL IN OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from archspec.artifact import inspect_tflite


def main(resolver: str, model: str, given: str, out: str) -> None:
    """Answer to every image of `given`; `resolver` is one of ai-edge-litert's `OpResolverType`."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    data = Path(model).read_bytes()
    net = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType[resolver], num_threads=1)
    net.allocate_tensors()
    (taken,) = net.get_input_details()
    images = np.fromfile(given, taken["dtype"]).reshape(-1, *taken["shape"])
    outputs = net.get_output_details()
    for info, detail in zip(inspect_tflite(data).outputs, outputs, strict=True):
        print("output", net.get_tensor(detail["index"]).nbytes, info.name)
    with open(out, "wb") as file:
        for image in images:
            net.set_tensor(taken["index"], image)
            net.invoke()
            for detail in outputs:
                file.write(net.get_tensor(detail["index"]).tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
