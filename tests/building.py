"""Builds for tests: small specs, a user's blocks that fail in ways of their own, and an oracle for artifacts."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from command import start
from numpy.typing import NDArray

ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")

CLASSIFIER = """\
archspec: 1
model: tiny
input: {size: [32, 32, 3], range: [-1, 1]}
layers:
- Conv:         {depth: 4, stride: 2, name: c1}
- DepthSepConv: {depth: 8, stride: 2, name: c2}
- GlobalPool
- Dense:        {units: 7, name: logits}
"""

# Outputs neither in the order of the rows nor in that of the alphabet; one target with an input of its own.
EDGES = """\
archspec: 1
model: lines
input: {size: [32, 48, 3], mean: 127.5, std: 127.5}
layers:
- Conv:       {depth: 4, name: c1}
- Conv:       {depth: 6, stride: 2, name: c2}
- SideOutput: {from: c1, name: near}
- SideOutput: {from: c2, upsample: 2, name: far}
- Concat:     {from: [near, far]}
- Logits:     {depth: 1, name: lines}
outputs: [near, lines, far]
variants:
  small: {input: {size: [16, 16, 1]}}
targets:
  x86_64:      {quantize: none}
  arm64-v8a:   {quantize: int8}
  armeabi-v7a: {quantize: int8, variant: small}
"""

# What `Odd` does is said by a variant, since a target can ask for one.
ODD = """\
archspec: 1
model: odd
input: {size: [32, 32, 3], range: [-1, 1]}
defaults: {Odd: {does: nothing}}
layers:
- Conv: {depth: 4, stride: 2, name: c1}
- Odd:  {name: mid}
- Conv: {depth: 8, stride: 2, name: c2}
- GlobalPool
- Dense: {units: 7, name: logits}
variants:
  abort:  {defaults: {Odd: {does: abort}}}
  bessel: {defaults: {Odd: {does: bessel}}}
  raise:  {defaults: {Odd: {does: raise}}}
  island: {defaults: {Odd: {does: island}}}
  nan:    {defaults: {Odd: {does: nan}}}
  wait:   {defaults: {Odd: {does: wait}}}
targets:
  x86_64:      {quantize: none}
  arm64-v8a:   {quantize: int8, variant: abort}
  armeabi-v7a: {quantize: int8, variant: island}
"""

ODD_BLOCKS = '''\
"""A block whose op fails as its option says, and is loud about it."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from archspec import ops
from archspec.blocks import block
from archspec.graph import Net, Tensor
from archspec.kinds import Kind

WORDS = ["nothing", "abort", "bessel", "raise", "island", "nan", "wait"]
Word = Annotated[str, Kind("what it does", {"enum": WORDS})]


@dataclass(frozen=True)
class OddOp(ops.Activation):
    def lower(self, keras: Any, name: str, inputs: list[Any]) -> Any:
        import tensorflow as tf

        print("noise on the standard output stream")
        print("noise on the standard error stream", file=sys.stderr)
        os.write(1, b"{} noise from C on 1\\\\n")
        os.write(2, b"noise from C on 2\\\\n")
        if self.function == "abort":
            os.write(2, b"F0000 00:00:00 1 odd.cc:1] Check failed: odd\\\\n")
            os.abort()
        if self.function == "wait":
            Path("waiting").write_text(str(os.getpid()))
            time.sleep(600)

        class Odd(keras.layers.Layer):
            def call(self, x: Any) -> Any:
                return FUNCTIONS[word](tf, x)

        word = self.function
        return Odd(name=name)(inputs[0])


def fail(tf: Any, x: Any) -> Any:
    raise RuntimeError("no luck")


FUNCTIONS = {
    "nothing": lambda tf, x: x,
    "bessel": lambda tf, x: tf.math.bessel_i0(x),  # TFLite has no such op
    "raise": fail,
    "island": lambda tf, x: tf.nn.elu(x),  # TFLite has no int8 kernel for it
    "nan": lambda tf, x: tf.sqrt(x - 1e6),
}


@block
def Odd(net: Net, x: Tensor, *, does: Word) -> Tensor:
    """An op that fails as it is told."""
    return net.add(OddOp(does), x, role="op")
'''.replace("\\\\n", "\\n")


_BUILT: dict[str, Path] = {}


def built_once(name: str, text: str, folders: pytest.TempPathFactory) -> Path:
    """A folder with NAME.yaml and its build in `build`, made once in a run of tests. To be left as it is."""
    if name not in _BUILT:
        folder = folders.mktemp(name)
        (folder / f"{name}.yaml").write_text(text)
        ran = start("build", f"{name}.yaml", folder=folder).clean()
        assert ran.code == 0, ran.err
        _BUILT[name] = folder
    return _BUILT[name]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a build's folder."""
    read: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return read


def files(folder: Path) -> dict[str, str]:
    """Every file below a folder by its path, hidden ones too, with the digest of its bytes."""
    return {str(f.relative_to(folder)): sha256(f.read_bytes()) for f in sorted(folder.rglob("*")) if f.is_file()}


def assert_describes(entry: dict[str, Any], file: Path, outputs: Sequence[str]) -> None:
    """A manifest's entry says of a file what the schema's object tree and the runtime say of it."""
    data = file.read_bytes()
    assert (entry["bytes"], entry["sha256"]) == (len(data), sha256(data))
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    codes = [(names[max(c.deprecatedBuiltinCode, c.builtinCode)], c.version) for c in model.operatorCodes]
    used = Counter(codes[op.opcodeIndex] for graph in model.subgraphs for op in graph.operators)
    assert {(use["op"], use["version"]): use["count"] for use in entry["ops"]} == used
    interpreter = Interpreter(model_content=data)
    runner = interpreter.get_signature_runner()
    for kind, found in (("inputs", runner.get_input_details()), ("outputs", runner.get_output_details())):
        assert {info["name"] for info in entry[kind]} == set(found)
        for info in entry[kind]:
            detail = found[info["name"]]
            assert tuple(info["shape"]) == tuple(detail["shape"])
            assert info["shape"][0] == 1, "the batch is one"
            assert info["dtype"] == np.dtype(detail["dtype"]).name
            scale, zero_point = detail["quantization"]
            assert (info["scale"], info["zero_point"]) == ((scale, zero_point) if scale else (None, None))
    assert [info["name"] for info in entry["outputs"]] == list(outputs), "the spec's order"
    floats = {d["name"] for d in interpreter.get_tensor_details() if d["dtype"] == np.float32}
    if entry["scheme"] == "int8":
        assert (entry["float_islands"], floats) == ([], set())
        assert {info["dtype"] for info in entry["inputs"] + entry["outputs"]} == {"int8"}
    else:
        assert entry["float_islands"] is None
        assert {info["dtype"] for info in entry["inputs"] + entry["outputs"]} == {"float32"}
    assert list(entry["difference"]) == list(outputs)


def answers(file: Path, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """What a file answers by LiteRT's own signature runner, images (n, h, w, c) in model units; outputs dequantized."""
    runner = Interpreter(model_content=file.read_bytes()).get_signature_runner()
    ((name, taken),) = runner.get_input_details().items()
    given = runner.get_output_details()
    found: dict[str, list[Any]] = {key: [] for key in given}
    for image in images[:, None]:
        scale, zero = taken["quantization"]
        if scale:
            image = np.clip(np.rint(image / np.float64(scale)) + zero, -128, 127).astype(np.int8)
        for key, answer in runner(**{name: image}).items():
            scale, zero = given[key]["quantization"]
            found[key].append((answer.astype(np.float64) - zero) * scale if scale else answer)
    return {key: np.concatenate(values).astype(np.float32) for key, values in found.items()}


def noise(entry: dict[str, Any], count: int) -> NDArray[np.float32]:
    """The first calibration images of an untrained build: uniform noise over the input's range, seed 0, 20 images."""
    size, span = tuple(entry["input"]["size"]), entry["input"]["range"]
    if span is None:
        mean, std = entry["input"]["mean"][0], entry["input"]["std"][0]
        span = [(0 - mean) / std, (255 - mean) / std]
    images = span[0] + (span[1] - span[0]) * np.random.default_rng(0).random((20, *size), np.float32)
    assert entry["calibration"] == {
        "source": "20 images of noise",
        "sha256": sha256(images.astype(np.float32).tobytes()),
    }
    return np.asarray(images[:count], np.float32)
