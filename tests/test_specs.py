"""Every shipped spec is in order with all its variants, and counts to what references count."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from diagnostic_pages import all_findings
from little import HEAD, built

from archspec.analysis import Network, document, network
from archspec.overlay import assignment
from archspec.source import read_source

SPECS = sorted((Path(__file__).resolve().parent.parent / "specs").glob("*.yaml"))

Shared = Callable[[str], Path]


def shipped(stem: str, variant: str | None = None, *sets: str) -> Network:
    path = next(path for path in SPECS if path.stem == stem)
    return network(document(read_source(path), [assignment("--set", s) for s in sets]), variant)


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_spec_is_in_order_with_all_variants(path: Path) -> None:
    doc = document(read_source(path))
    assert all_findings(doc) == ()
    assert doc.root.get("expect") is not None, "a spec says what it must count to"


class Counts(NamedTuple):
    """Input (height, width, channels), parameters, trainable ones, MACs."""

    input: tuple[int, ...]
    params: int
    trainable: int
    macs: int


def counts(net: Network) -> Counts:
    return Counts(net.graph.input_shape, net.cost.params, net.cost.trainable, net.cost.macs)


KERAS: dict[str, tuple[str, str | None]] = {
    "VGG16": ("vgg", None), "VGG19": ("vgg", "E"),
    "ResNet50": ("resnet_v1", None), "ResNet101": ("resnet_v1", "d101"), "ResNet152": ("resnet_v1", "d152"),
    "ResNet50V2": ("resnet_v2", None), "ResNet101V2": ("resnet_v2", "d101"), "ResNet152V2": ("resnet_v2", "d152"),
    "InceptionV3": ("inception_v3", None), "InceptionResNetV2": ("inception_resnet_v2", None),
    "Xception": ("xception", None),
    "DenseNet121": ("densenet", None), "DenseNet169": ("densenet", "169"), "DenseNet201": ("densenet", "201"),
    "EfficientNetB0": ("efficientnet", None), **{f"EfficientNetB{i}": ("efficientnet", f"b{i}") for i in range(1, 8)},
    "MobileNetV3Large_a1.0": ("mobilenet_v3_large", None), "MobileNetV3Large_a0.75": ("mobilenet_v3_large", "w0.75"),
    "MobileNetV3Large_a1.0_min": ("mobilenet_v3_large", "minimalistic"),
    "MobileNetV3Large_a0.75_min": ("mobilenet_v3_large", "w0.75-minimalistic"),
    "MobileNetV3Small_a1.0": ("mobilenet_v3_small", None), "MobileNetV3Small_a0.75": ("mobilenet_v3_small", "w0.75"),
    "MobileNetV3Small_a1.0_min": ("mobilenet_v3_small", "minimalistic"),
    "MobileNetV3Small_a0.75_min": ("mobilenet_v3_small", "w0.75-minimalistic"),
}  # fmt: skip
NORMALIZATION = 7  # keras.applications' EfficientNet holds mean and variance of the image, and a count


def ours(keras: str) -> Network:
    """The shipped network of a name of keras.applications: MobileNets by width and size, others by variant."""
    if found := re.fullmatch(r"MobileNet(V2)?_a([0-9.]+)_([0-9]+)", keras):
        width = [f"scale.width={found[2]}"] if float(found[2]) != 1 else []
        return shipped("mobilenet_v2" if found[1] else "mobilenet_v1", None, *width, f"input.size={found[3]}")
    return shipped(*KERAS[keras])


def assert_counts_as_keras(row: dict[str, object]) -> None:
    """The shipped network counts to a row of the reference, exactly."""
    got, extra = counts(ours(str(row["name"]))), NORMALIZATION if "EfficientNet" in str(row["name"]) else 0
    want = Counts(tuple(row["input"]), int(row["params"]) - extra, row["trainable"], row["macs"])  # type: ignore[arg-type, call-overload]
    assert got == want, (row["name"], got, want)


def test_specs_count_as_keras_applications(shared: Shared) -> None:
    rows = json.loads(shared("reference/keras_applications.json").read_text(encoding="utf-8"))
    assert len(rows) == 76
    for row in rows:
        assert_counts_as_keras(row)


@pytest.mark.parametrize("key", ["params", "trainable", "macs"])
def test_reference_that_differs_by_one_is_noticed(shared: Shared, key: str) -> None:
    rows = json.loads(shared("reference/keras_applications.json").read_text(encoding="utf-8"))
    with pytest.raises(AssertionError):
        assert_counts_as_keras(rows[0] | {key: rows[0][key] + 1})


def table(text: str, title: str) -> list[list[str]]:
    """The cells of the Markdown table below a title, without its header."""
    part = text.split(f"### {title}")[1].split("\n### ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return rows[2:]


def number(cell: str) -> int:
    return int(cell.replace(",", "").replace("*", ""))


@pytest.mark.parametrize(
    ("title", "stem", "macs", "trainable", "total"),
    [("MobileNetV1", "mobilenet_v1", 3, 4, 5), ("MobileNetV2", "mobilenet_v2", 2, 3, 5)],
)
def test_every_width_and_size_of_a_mobilenet_is_a_variant(
    shared: Shared, title: str, stem: str, macs: int, trainable: int, total: int
) -> None:
    """Slim's tables: 16 rows of MobileNet v1, 22 of v2. The sizes of 1.0-224 are the head's own."""
    rows = table(shared("reference/counts.md").read_text(encoding="utf-8"), title)
    assert len(rows) == {"MobileNetV1": 16, "MobileNetV2": 22}[title]
    for row in rows:
        width, size = row[0].split("-")
        words = [f"w{width}"] * (width != "1.0") + [f"r{size}"] * (size != "224")
        got = counts(shipped(stem, "-".join(words) or None))
        assert got == ((int(size), int(size), 3), number(row[total]), number(row[trainable]), number(row[macs])), row[0]


PUBLISHED: dict[str, tuple[str, str | None]] = {
    # trainable parameters and MACs of counts.md's table of all else
    "ShuffleNetV2 0.5× @224": ("shufflenet_v2", "w0.5"), "1.0×": ("shufflenet_v2", None),
    "1.5×": ("shufflenet_v2", "w1.5"), "2.0×": ("shufflenet_v2", "w2.0"),
    "MobileNetV3-Large 1.0 @224": ("mobilenet_v3_large", None), "DenseNet-121 @224": ("densenet", None),
    "ResNet-50 v1.5 (torchvision)": ("resnet_v1", "v1.5"), "Xception @299": ("xception", None),
    "B1 @240": ("efficientnet", "b1"),
}  # fmt: skip


def test_specs_count_as_published(shared: Shared) -> None:
    rows = {row[0]: row for row in table(shared("reference/counts.md").read_text(encoding="utf-8"), "Everything else")}
    for name, (stem, variant) in PUBLISHED.items():
        cost = shipped(stem, variant).cost
        assert f"{cost.trainable:,}" in rows[name][2], name
        assert f"{cost.macs:,}" in rows[name][3], name


def test_document_scanner_counts_as_its_checkpoint(shared: Shared) -> None:
    line = next(
        x for x in shared("reference/counts.md").read_text(encoding="utf-8").splitlines() if "mobilenet_v2_hed" in x
    )
    cost = shipped("mobilenet_v2_hed").cost
    for count in (cost.params, cost.trainable, cost.macs):
        assert f"{count:,}" in line


def test_spec_that_is_not_in_order_is_noticed() -> None:
    from archspec.diagnostics import Source

    text = HEAD + "layers:\n- Conv: {depth: 8}\nexpect: {params: 248}\n"
    assert counts(built(text)) == Counts((32, 32, 3), 248, 232, 221_184)
    assert all_findings(document(Source("s", text))) == ()
    assert all_findings(document(Source("s", text.replace("248", "249")))) != ()
