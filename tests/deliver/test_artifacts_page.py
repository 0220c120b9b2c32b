"""docs/artifacts.md shows what is made of specs/mobilenet_v2_hed.yaml."""

import json
import re
from pathlib import Path

import pytest
from deliver.flat import root

from archspec.analysis import Network, network, open_spec
from archspec.artifact import TensorInfo
from archspec.calibration import input_entry
from archspec.deliver.android import Delivery, layout
from archspec.deliver.metadata import Description, encode
from archspec.photo import InputContract

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/artifacts.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    return str(found)


@pytest.fixture(scope="module")
def taken() -> InputContract:
    made = network(open_spec(ROOT / "specs/mobilenet_v2_hed.yaml"), None)
    assert isinstance(made, Network)
    return InputContract.from_manifest(input_entry(made.graph.head.input))


def test_the_folder_is_what_a_build_writes(taken: InputContract, tflite: Path) -> None:
    kinds = {"arm64-v8a": "int8", "armeabi-v7a": "border", "x86_64": "float"}
    files = {abi: (tflite / f"edges_{kind}.tflite").read_bytes() for abi, kind in kinds.items()}
    made = layout(Delivery("mobilenet_v2_hed", files, dict.fromkeys(files, taken)))
    assert list(made) == block("text").split()
    assert all(f"  {line}\n" in str(made["README.txt"]) for line in block("kotlin").splitlines())


def test_the_metadata_is_what_is_written(taken: InputContract) -> None:
    shown = json.loads(block("json"))
    given = TensorInfo("fuse", (1, 256, 256, 1), "float32", None, None)
    info = TensorInfo(shown["name"], (1, *taken.size), "float32", None, None)
    model = root(encode(Description("mobilenet_v2_hed", "1", "", taken), info, [given]), b"M001")
    (tensor,) = model.tables(3)[0].tables(2)
    assert (tensor.text(0), tensor.text(1)) == (shown["name"], shown["description"])
    (unit,), (wanted,) = tensor.tables(4), shown["process_units"]
    assert {"mean": unit.table(1).floats(0), "std": unit.table(1).floats(1)} == wanted["options"]
    assert {"max": tensor.table(5).floats(0), "min": tensor.table(5).floats(1)} == shown["stats"]
    size = tensor.table(3).table(1).table(1)
    properties = shown["content"]["content_properties"]
    assert {"width": size.number(0, "I"), "height": size.number(1, "I")} == properties["default_size"]
    assert (tensor.table(3).table(1).number(0, "b"), properties["color_space"]) == (1, "RGB")
