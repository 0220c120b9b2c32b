import io
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deliver.flat import root

from archspec.artifact import Artifact, ArtifactError, inspect_tflite, run_tflite
from archspec.deliver.embed import with_files, with_metadata
from archspec.deliver.metadata import Description, MetadataError
from archspec.photo import InputContract
from archspec.tflite.compact import compact
from archspec.weights.tflite import read_tflite

TAKEN = InputContract((32, 48, 3), (0.0, 1.0), None, None, "rgb", "crop")
LABELS = ("red", "green", "blue", "dark")
FILES = {"labels.txt": b"red\ngreen\nblue\ndark\n"}
NAMES = ["edges_float", "edges_int8", "classes_int8", "wide_dynamic", "loop_float", "twice_float"]


def about(name: str) -> Description:
    return Description(name, "1", "A network.", TAKEN, LABELS if name.startswith("classes") else ())


def metadata(data: bytes) -> dict[str, bytes]:
    """Name -> buffer. In LiteRT's schema.fbs a Model's field 4 is buffers and 6 metadata, a Buffer's field 0 data, a
    Metadata's fields name and buffer."""
    model = root(data, b"TFL3")
    return {entry.text(0): model.tables(4)[entry.number(1, "I")].bytes(0) for entry in model.tables(6)}


def tree(value: Any) -> Any:
    """An object of the schema's generated classes as plain data."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [tree(item) for item in value]
    return {key: tree(item) for key, item in vars(value).items()} if hasattr(value, "__dict__") else value


def unpacked(data: bytes) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return tree(schema.ModelT.InitFromObj(schema.Model.GetRootAs(data)))


@pytest.mark.parametrize("name", NAMES)
def test_all_else_stays(tflite: Path, name: str) -> None:
    data = (tflite / f"{name}.tflite").read_bytes()
    made = with_metadata(data, about(name))
    before, after = unpacked(data), unpacked(made)
    assert after["metadata"].pop() == {"name": b"TFLITE_METADATA", "buffer": len(before["buffers"])}
    after["buffers"].pop()
    assert after == before
    assert root(metadata(made)["TFLITE_METADATA"], b"M001").text(0) == name


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_as_before_with_files_behind_it(tflite: Path, name: str) -> None:
    data = (tflite / f"{name}.tflite").read_bytes()
    made = with_files(with_metadata(data, about(name)), FILES)
    images = np.random.default_rng(0).random((2, *TAKEN.size), np.float32)
    before, after = run_tflite(data, images), run_tflite(made, images)
    assert list(before) == list(after)
    assert all(np.array_equal(before[output], after[output]) for output in before)
    old, new = inspect_tflite(data), inspect_tflite(made)
    for field in ("inputs", "outputs", "ops", "float_islands"):
        assert getattr(old, field) == getattr(new, field)
    assert new.size == len(made)


def test_weights_are_read_from_it(tflite: Path, tmp_path: Path) -> None:
    source = tflite / "edges_int8.tflite"
    (tmp_path / "made.tflite").write_bytes(with_files(with_metadata(source.read_bytes(), about("edges")), FILES))
    before, after = read_tflite(source).tensors, read_tflite(tmp_path / "made.tflite").tensors
    assert len(before) > 0
    assert list(before) == list(after)
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("name", NAMES)
def test_buffers_stay_aligned(tflite: Path, name: str) -> None:
    # `force_align: 16` of Buffer.data in LiteRT's schema.fbs; kernels read weights where they lie
    made = with_metadata((tflite / f"{name}.tflite").read_bytes(), about(name))
    places = [buffer.target(0) + 4 for buffer in root(made, b"TFL3").tables(4) if buffer.place(0)]
    assert len(places) > 1
    assert [place % 16 for place in places] == [0] * len(places)


@pytest.mark.parametrize("name", NAMES)
def test_equal_parts_are_stored_once(tflite: Path, name: str) -> None:
    made = with_metadata((tflite / f"{name}.tflite").read_bytes(), about(name))
    assert compact(made) == made


def test_metadata_takes_the_place_of_metadata(tflite: Path) -> None:
    data = (tflite / "edges_int8.tflite").read_bytes()
    other = Description("other", "2", "Another network.", None)
    once = with_metadata(data, about("edges"))
    assert with_metadata(with_metadata(with_files(once, FILES), other), about("edges")) == once
    assert "min_runtime_version" in metadata(once), "what the converter wrote stays"


def test_a_zip_archive_lies_behind_it(tflite: Path, tmp_path: Path) -> None:
    made = with_metadata((tflite / "classes_int8.tflite").read_bytes(), about("classes"))
    full = with_files(made, {**FILES, "more.txt": b""})
    assert full[: len(made)] == made
    with zipfile.ZipFile(io.BytesIO(full)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {**FILES, "more.txt": b""}
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    if shutil.which("unzip"):
        (tmp_path / "full.tflite").write_bytes(full)
        ran = subprocess.run(["unzip", "-t", tmp_path / "full.tflite"], capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_files_no_archive(tflite: Path) -> None:
    data = (tflite / "edges_int8.tflite").read_bytes()
    assert with_files(data, {}) == data


def test_the_same_gives_the_same_bytes(tflite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (tflite / "classes_int8.tflite").read_bytes()
    once = with_files(with_metadata(data, about("classes")), FILES)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert with_files(with_metadata(data, about("classes")), FILES) == once


def test_a_file_with_two_inputs_is_refused(tflite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (tflite / "edges_int8.tflite").read_bytes()
    found = inspect_tflite(data)
    two = Artifact(found.inputs * 2, found.outputs, found.ops, found.float_islands, found.size, found.sha256)
    monkeypatch.setattr("archspec.deliver.embed.inspect_tflite", lambda data: two)
    with pytest.raises(MetadataError, match="the file takes 2 inputs, not one image"):
        with_metadata(data, about("edges"))


def test_something_else_is_refused() -> None:
    with pytest.raises(ArtifactError):
        with_metadata(b"no such file", about("edges"))
