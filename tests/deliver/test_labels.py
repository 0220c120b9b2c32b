from pathlib import Path

import pytest

from archspec.deliver.labels import LabelsError, labels_text, read_labels


def test_lines_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufefftench \r\nAfghan hound\r\nélan\u2028vital\r\n".encode())
    assert read_labels(path, 3) == ("tench", "Afghan hound", "élan\u2028vital")


def test_a_list_and_two_classes_of_one_name() -> None:
    assert read_labels(["crane", "crane"], 2) == ("crane", "crane")


def test_text_reads_as_the_same_labels(tmp_path: Path) -> None:
    labels = ("a", "b c", "d")
    (tmp_path / "labels.txt").write_text(labels_text(labels), encoding="utf-8")
    assert read_labels(tmp_path / "labels.txt", 3) == labels


@pytest.mark.parametrize(
    ("content", "units", "message"),
    [
        (b"a\n\nb\n", 3, "label 2 is empty"),
        (b"a\n\n", 2, "label 2 is empty"),
        (b"a\nb\n", 3, "2 labels for 3 units; is the background class meant to be in them?"),
        (b"a\nb\n", 9, "2 labels for 9 units"),
        (b"", 4, "0 labels for 4 units"),
        (b"a\0b\n", 1, "label 1 holds a line break or NUL: 'a\\x00b'"),
        (b"a\rb\n", 1, "label 1 holds a line break or NUL: 'a\\rb'"),
        (
            b"\xff\n",
            1,
            "cannot read the labels: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, units: int, message: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(LabelsError) as caught:
        read_labels(path, units)
    assert str(caught.value) == f"{path}: {message}"


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"labels: cannot read the labels: No such file or directory$"):
        read_labels(tmp_path / "labels", 1)


def test_a_list_is_named_by_its_labels_alone() -> None:
    with pytest.raises(LabelsError, match=r"^label 2 holds a line break"):
        read_labels(["a", "b\nc"], 2)
