"""The program that times .tflite files on this machine, by the profiler inside of LiteRT.

python -m archspec.abi.timing REPS MODEL IN [MODEL IN]...

For each model a line of JSON goes to standard output: a list of nodes in the order in which they run, each with its
type, which names an inner operator of XNNPACK's behind `Delegate/`, and the milliseconds of every repetition, to
thousandths. One thread. LiteRT's C interface is that of runner_litert.c; the profiler has no other one.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from ctypes import byref, c_char_p, c_size_t, c_void_p
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CPU = 1  # kLiteRtHwAcceleratorCpu
TYPE = 512  # bytes, of a LiteRtRankedTensorType, which is smaller
WRITE = 1
OPTIONS = {
    "runtime_options_string": "enable_profiling = true\n",
    "xnnpack": "num_threads = 1\nkernel_mode = 0\n",
}
NODE = re.compile(r"\s*(\S.*?)\s+[\d.]+\s+[\d.]+\s+([\d.]+)\s+[\d.]+%\s+[\d.]+%\s+[\d.]+\s+\d+\s+\S")
"""A line of LiteRT's summary: type, start, first, average in ms, two shares, memory, how often, name."""

Node = tuple[str, list[float]]


class TimingError(Exception):
    """A call of LiteRT's that failed, by name."""


class _Net:
    """A compiled model with buffers for its tensors. What LiteRT is given of Python's lives as long as this does."""

    def __init__(self, library: ctypes.CDLL, environment: c_void_p, model: str) -> None:
        self.library, self.kept = library, list[Any]()
        self.model, options, self.net, signature = (c_void_p() for _ in range(4))
        self.call("LiteRtCreateModelFromFile", environment, model.encode(), byref(self.model))
        self.call("LiteRtCreateOptions", byref(options))
        self.call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
        nothing = ctypes.CFUNCTYPE(None, c_void_p)(lambda _: None)
        for key, text in OPTIONS.items():
            words, made = ctypes.create_string_buffer(text.encode()), c_void_p()
            self.kept += [words, nothing]
            self.call("LiteRtCreateOpaqueOptions", key.encode(), words, nothing, byref(made))
            self.call("LiteRtAddOpaqueOptions", options, made)
        self.call("LiteRtCreateCompiledModel", environment, self.model, options, byref(self.net))
        self.call("LiteRtGetModelSignature", self.model, c_size_t(0), byref(signature))
        self.taken = self.buffers("Input", environment, signature)
        self.given = self.buffers("Output", environment, signature)

    def close(self) -> None:
        for buffer, _ in (*self.taken, *self.given):
            self.library.LiteRtDestroyTensorBuffer(buffer)
        self.library.LiteRtDestroyCompiledModel(self.net)
        self.library.LiteRtDestroyModel(self.model)

    def call(self, name: str, *arguments: Any) -> None:
        if getattr(self.library, name)(*arguments):
            raise TimingError(f"{name} failed")

    def buffers(self, kind: str, environment: c_void_p, signature: c_void_p) -> list[tuple[c_void_p, int]]:
        """The buffers of all inputs or outputs, with their sizes in bytes."""
        count, made = c_size_t(), []
        self.call(f"LiteRtGetNumSignature{kind}s", signature, byref(count))
        for i in range(count.value):
            tensor, required, buffer, size = c_void_p(), c_void_p(), c_void_p(), c_size_t()
            shape = ctypes.create_string_buffer(TYPE)
            self.call(f"LiteRtGetSignature{kind}TensorByIndex", signature, c_size_t(i), byref(tensor))
            of = f"LiteRtGetCompiledModel{kind}BufferRequirements"
            self.call(of, self.net, c_size_t(0), c_size_t(i), byref(required))
            self.call("LiteRtGetRankedTensorType", tensor, shape)
            create = "LiteRtCreateManagedTensorBufferFromRequirements"
            self.call(create, environment, shape, required, byref(buffer))
            self.call("LiteRtGetTensorBufferPackedSize", buffer, byref(size))
            made.append((buffer, size.value))
        return made

    def feed(self, data: bytes) -> None:
        """Set the inputs to what a file of them begins with."""
        for buffer, size in self.taken:
            address = c_void_p()
            self.call("LiteRtLockTensorBuffer", buffer, byref(address), WRITE)
            ctypes.memmove(address, data[:size], size)
            self.call("LiteRtUnlockTensorBuffer", buffer)
            data = data[size:]

    def run(self) -> None:
        ends = [(c_void_p * len(side))(*(buffer.value for buffer, _ in side)) for side in (self.taken, self.given)]
        sizes = [c_size_t(len(side)) for side in (self.taken, self.given)]
        self.call("LiteRtRunCompiledModel", self.net, c_size_t(0), sizes[0], ends[0], sizes[1], ends[1])

    def profile(self, reps: int) -> list[Node]:
        """The nodes of `reps` inferences, behind one that is not counted. Raises TimingError."""
        profiler, libc = c_void_p(), ctypes.CDLL(None)
        self.call("LiteRtCompiledModelGetProfiler", self.net, byref(profiler))
        self.run()
        each = []
        for _ in range(reps):
            text = c_char_p()
            self.call("LiteRtResetProfiler", profiler)
            self.call("LiteRtStartProfiler", profiler)
            self.run()
            self.call("LiteRtStopProfiler", profiler)
            self.call("LiteRtGetProfileSummary", profiler, self.net, byref(text))
            each.append(nodes((text.value or b"").decode()))
            libc.free(text)
        types = [kind for kind, _ in each[0]]
        if any([kind for kind, _ in one] != types for one in each):
            raise TimingError("the profiler listed other nodes each time")
        return [(kind, [one[i][1] for one in each]) for i, kind in enumerate(types)]


def nodes(summary: str) -> list[tuple[str, float]]:
    """Type and milliseconds of each node, from the first table of LiteRT's summary, which is in order of execution."""
    _, _, first = summary.partition(" Run Order ")
    lines = first.partition(" Top by Computation Time ")[0].splitlines()
    found = [NODE.match(line) for line in lines]
    return [(match[1], float(match[2])) for match in found if match]


def main(reps: str, *files: str) -> None:
    spec = find_spec("ai_edge_litert")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    library = ctypes.CDLL(str(Path(spec.submodule_search_locations[0]) / "libLiteRt.so"))
    environment = c_void_p()
    if library.LiteRtCreateEnvironment(0, None, byref(environment)):
        raise TimingError("LiteRtCreateEnvironment failed")
    for model, given in zip(files[::2], files[1::2], strict=True):
        net = _Net(library, environment, model)
        net.feed(Path(given).read_bytes())
        print(json.dumps(net.profile(int(reps))), flush=True)
        net.close()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except TimingError as failed:
        sys.exit(f"error: {failed}")
