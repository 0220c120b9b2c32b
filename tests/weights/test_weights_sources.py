"""Files that are missing, damaged, foreign or dangerous, and what a checkpoint keeps that is no weight."""

import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.weights import WeightsError, match, read_source
from archspec.weights.slots import Slot

CONV = Slot("c_conv", "c", "Conv", "conv", "conv", (("kernel", (3, 3, 2, 4)),), frozenset())


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as error:
        read_source(path)
    return str(error.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.h5") == f"{tmp_path}/no.h5: no such file, and no checkpoint {tmp_path}/no.h5.index"
    assert "a folder; give a file" in refusal(tmp_path)


class Bomb:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return (Path.write_text, (self.path, "run"))


def test_pickles_are_refused_unread_whatever_their_name(tmp_path: Path) -> None:
    data = pickle.dumps({"weight": Bomb(tmp_path / "ran")})
    (tmp_path / "m.pkl").write_bytes(data)
    (tmp_path / "m.safetensors").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "m.bin", "w") as archive:
        archive.writestr("archive/data.pkl", data)
    for name in ("m.pkl", "m.safetensors", "m.bin"):
        assert "a Python pickle" in refusal(tmp_path / name), name
    (tmp_path / "m.pth").write_bytes(b"anything")
    assert "safetensors.torch.save_file" in refusal(tmp_path / "m.pth")
    assert not (tmp_path / "ran").exists()
    pickle.loads(data)
    assert (tmp_path / "ran").exists()  # the bomb works, had anyone loaded it


@pytest.mark.parametrize("data", [b"", b"just text, and more of it", b"TFL3 model"])
def test_an_unknown_format_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.xyz").write_bytes(data)
    assert refusal(tmp_path / "m.xyz").startswith("m.xyz: unknown format")


def test_safetensors_whole_and_damaged(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy", reason="writes the file to read")
    path = tmp_path / "m.safetensors"
    weight = np.random.default_rng(0).normal(size=(4, 2, 3, 3)).astype(np.float32)
    numpy.save_file({"c.weight": weight, "c.num_batches_tracked": np.array(3)}, path)
    source = read_source(path)
    assert source.skipped == ("c.num_batches_tracked",)
    got = match([CONV], source).arrays()["c_conv"][0]
    assert got[2, 1, 0, 3] == weight[3, 0, 2, 1]
    path.write_bytes(path.read_bytes()[:-9])
    assert refusal(path).startswith("m.safetensors: cannot be read as safetensors")


@pytest.mark.parametrize(("dtype", "code"), [("BF16", "H"), ("F16", "e"), ("F64", "d"), ("F8_E4M3", "B")])
def test_float_types_of_safetensors(tmp_path: Path, dtype: str, code: str) -> None:
    pytest.importorskip("safetensors", reason="reads the file")
    values = [1.0, -0.5, 3.0]
    # bfloat16 is the upper half of a float32.
    words = [struct.unpack("<I", struct.pack("<f", v))[0] >> 16 for v in values] if dtype == "BF16" else values
    data = struct.pack(f"<3{code}", *([1, 2, 3] if code == "B" else words))
    header = f'{{"c.weight":{{"dtype":"{dtype}","shape":[3],"data_offsets":[0,{len(data)}]}}}}'.encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    if code == "B":
        assert refusal(path) == "m.safetensors: tensor `c.weight` holds F8_E4M3, which is not read"
    else:
        assert read_source(path).tensors["c.weight"].tolist() == values


def test_hdf5_damaged_foreign_and_pointing_elsewhere(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="writes the file to read")
    path = tmp_path / "m.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((3, 3, 2, 4), np.float32)
    assert list(read_source(path).tensors) == ["conv2d/kernel"]
    path.write_bytes(path.read_bytes()[:-200])
    assert refusal(path).startswith("m.weights.h5: damaged HDF5 file")
    with h5py.File(path, "w") as file:
        file["table"] = np.zeros(3)
    assert refusal(path) == "`table` is not where a Keras file keeps weights"
    (tmp_path / "secret").write_bytes(b"x" * 64)
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/dense/vars")
        group.create_dataset("0", (2, 8), "f4", external=[(str(tmp_path / "secret"), 0, 64)])
    assert "in another file" in refusal(path)


def test_a_keras_2_weights_file(tmp_path: Path) -> None:
    """As Keras 2 wrote them: names end in `:0`, an inner model's name is left out, long lists are cut in parts."""
    h5py = pytest.importorskip("h5py", reason="writes the file to read")
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names0"] = [b"dw", b"relu"]
        file.attrs["layer_names1"] = [b"inner"]
        for layer, names in (
            ("dw", [b"dw_1/depthwise_kernel:0"]),
            ("relu", []),
            ("inner", [b"a/kernel:0", b"b/kernel:0"]),
        ):
            group = file.create_group(layer)
            group.attrs["weight_names"] = names
            for name in names:
                group[name.decode()] = np.zeros((3, 3, 2, 1), np.float32)
    source = read_source(path)
    assert list(source.tensors) == ["dw/depthwise_kernel", "inner/a/kernel", "inner/b/kernel"]
    assert source.order == {"dw": ("layers", 0), "inner/a": ("layers", 1), "inner/b": ("layers", 2)}


def test_a_damaged_keras_file(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    assert refusal(path) == "m.keras: a zip file, but no .keras model (config.json, model.weights.h5)"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model.weights.h5", b"not HDF5")
    assert refusal(path).startswith("m.keras: damaged .keras file")
    path.write_bytes(path.read_bytes()[:-30])
    assert refusal(path).startswith("m.keras: damaged .keras file")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TF1 checkpoint of one convolution in the middle of its training."""
    tf = pytest.importorskip("tensorflow", reason="writes the checkpoint to read")
    prefix = tmp_path_factory.mktemp("tf1") / "model.ckpt-7"
    kernel = np.random.default_rng(3).normal(size=(3, 3, 2, 4)).astype(np.float32)
    names = ["c/kernel", "c/kernel/Adam", "c/kernel/Adam_1", "c/kernel/Momentum", "c/kernel/RMSProp"]
    values: dict[str, Any] = dict.fromkeys([*names, "c/kernel/ExponentialMovingAverage"], kernel)
    values |= {"global_step": np.int64(7), "beta1_power": np.float32(0.5), "note": np.array(b"text")}
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=list(values.values()),
    )
    return prefix


def test_a_checkpoint_is_read_without_its_training_state(checkpoint: Path) -> None:
    for path in (checkpoint, f"{checkpoint}.index", f"{checkpoint}.data-00000-of-00001"):
        source = read_source(path)
        assert list(source.tensors) == ["c/kernel"], path
    assert sorted(source.skipped) == [
        "beta1_power",
        "c/kernel/Adam",
        "c/kernel/Adam_1",
        "c/kernel/ExponentialMovingAverage",
        "c/kernel/Momentum",
        "c/kernel/RMSProp",
        "global_step",
        "note",
    ]
    assert match([CONV], source).assignment == {"c_conv": {"kernel": "c/kernel"}}


def test_variables_of_a_tf2_checkpoint_keep_their_names(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow", reason="writes the checkpoint to read")
    kernel = tf.Variable(np.zeros((3, 3, 2, 4), np.float32))
    layer = tf.Module()
    layer.kernel = kernel
    prefix = tf.train.Checkpoint(c=layer).save(str(tmp_path / "ckpt"))
    source = read_source(prefix)
    assert list(source.tensors) == ["c/kernel"]
    assert sorted(source.skipped) == ["_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter"]


def test_a_damaged_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "model.ckpt-7"
    index, data = (Path(f"{checkpoint}{end}").read_bytes() for end in (".index", ".data-00000-of-00001"))
    Path(f"{prefix}.index").write_bytes(index)
    assert "has no model.ckpt-7.data-00000-of-00001 beside it" in refusal(prefix)
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data[:100])
    assert refusal(prefix).startswith(f"{prefix}: damaged or foreign TensorFlow checkpoint:")
    Path(f"{prefix}.data-00000-of-00001").write_bytes(bytes([data[0] ^ 1]) + data[1:])
    assert "damaged or foreign" in refusal(prefix)
    Path(f"{prefix}.index").write_bytes(index[:20])
    assert "damaged or foreign" in refusal(prefix)


def test_matching_loads_no_framework(tmp_path: Path) -> None:
    code = (
        "import sys, archspec.weights;"
        "print([m for m in ('tensorflow', 'keras', 'h5py', 'safetensors') if m in sys.modules]{})"
    )
    for more, expected in (("", "[]"), ("; import h5py; print('h5py' in sys.modules)", "[]\nTrue")):
        run = subprocess.run([sys.executable, "-c", code.format("") + more], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == expected
