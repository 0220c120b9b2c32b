from pathlib import Path

import pytest

from archspec.deliver.android import LITERT, Delivery, DeliveryError, layout
from archspec.deliver.labels import read_labels
from archspec.photo import InputContract

ROOT = Path(__file__).resolve().parents[2]
TAKEN = InputContract((32, 48, 3), (0.0, 1.0), None, None, "rgb", "crop")
ABIS = ("arm64-v8a", "armeabi-v7a", "x86_64")
LABELS = ("red", "green", "blue", "dark")


@pytest.fixture
def delivery(tflite: Path) -> Delivery:
    """A classifier, with one int8 file for two ABIs and a float one for the third."""
    int8, floats = ((tflite / f"classes_{kind}.tflite").read_bytes() for kind in ("int8", "float"))
    return Delivery("shades", dict(zip(ABIS, (int8, int8, floats), strict=True)), dict.fromkeys(ABIS, TAKEN), LABELS)


def test_each_file_is_there_once(delivery: Delivery, tmp_path: Path) -> None:
    files = layout(delivery)
    assert sorted(files) == [
        "README.txt",
        "src/main/assets/shades/arm64-v8a.tflite",
        "src/main/assets/shades/labels.txt",
        "src/main/assets/shades/x86_64.tflite",
        "src/main/cpp/shades.hpp",
        "src/main/cpp/shades_input.hpp",
        "src/main/java/archspec/ShadesInput.java",
        "src/main/java/archspec/ShadesNetwork.java",
    ]
    assert files["src/main/assets/shades/arm64-v8a.tflite"] == delivery.files["armeabi-v7a"]
    assert files["src/main/assets/shades/x86_64.tflite"] == delivery.files["x86_64"]
    (tmp_path / "labels.txt").write_text(str(files["src/main/assets/shades/labels.txt"]), encoding="utf-8")
    assert read_labels(tmp_path / "labels.txt", 4) == LABELS


def test_every_abi_has_its_asset_in_the_source(delivery: Delivery) -> None:
    files = layout(delivery)
    lines = str(files["src/main/java/archspec/ShadesNetwork.java"]).splitlines()
    served = dict(zip(ABIS, ("arm64-v8a", "arm64-v8a", "x86_64"), strict=True))
    for abi, file in served.items():
        at = lines.index(f'        case "{abi}":')
        assert lines[at + 1].strip() == f'return "shades/{file}.tflite";'


def test_the_readme_tells_how_to_use_it(delivery: Delivery) -> None:
    text = str(layout(delivery)["README.txt"])
    assert "arm64-v8a.tflite for arm64-v8a and armeabi-v7a\n" in text
    assert f'implementation("com.google.ai.edge.litert:litert:{LITERT}")' in text
    assert '  answers["logits"]  // 4\n  val labels = assets.open("shades/labels.txt")' in text
    assert "$" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_readme_tells_the_answers_of_abis_that_differ(delivery: Delivery, tflite: Path) -> None:
    other = {**delivery.files, "x86_64": (tflite / "branches_float.tflite").read_bytes()}
    text = str(layout(Delivery("shades", other, delivery.inputs, LABELS))["README.txt"])
    told = text.split("  // on arm64-v8a and armeabi-v7a\n")[1].split("  network.close()")[0]
    first, second = told.split("  // on x86_64\n")
    assert first.startswith('  answers["logits"]  // 4\n  val labels = ')
    assert sorted(second.splitlines()) == ['  answers["c1_side"]  // 32×48×4', '  answers["lines"]  // 32×48×1']


def test_without_labels_there_is_no_word_of_them(delivery: Delivery) -> None:
    files = layout(Delivery("shades", delivery.files, delivery.inputs))
    assert not [path for path in files if "labels" in path]
    assert "labels" not in str(files["README.txt"])


def test_the_runtime_is_the_one_that_is_verified() -> None:
    assert f'"ai-edge-litert=={LITERT}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_same_gives_the_same_files(delivery: Delivery) -> None:
    assert list(layout(delivery).items()) == list(layout(delivery).items())


def test_abis_that_are_fed_different_inputs_are_refused(delivery: Delivery) -> None:
    other = InputContract((16, 24, 3), (0.0, 1.0), None, None, "rgb", "crop")
    with pytest.raises(DeliveryError) as caught:
        layout(Delivery("shades", delivery.files, {**delivery.inputs, "armeabi-v7a": other}))
    assert str(caught.value) == "arm64-v8a, armeabi-v7a, x86_64 are fed 2 different inputs, not the same one"
