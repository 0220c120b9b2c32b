import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from archspec.files import write_all, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("old", [None, b"a longer old content"])
@pytest.mark.parametrize(("data", "content"), [(b"\x00\xff", b"\x00\xff"), ("µ\n", b"\xc2\xb5\n"), (b"", b"")])
def test_writes_the_whole_content(tmp_path: Path, old: bytes | None, data: bytes | str, content: bytes) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)
    write_whole(path, data)
    assert path.read_bytes() == content
    assert names(tmp_path) == ["file"]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    write_whole(str(tmp_path / "file"), "")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_symbolic_link_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    write_whole(tmp_path / "link", "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "file").read_text() == "x"


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_failure_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, failure: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_: object) -> None:
        assert len(names(tmp_path)) == 2, "the new content is under way beside the old file"
        raise failure

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(failure)) as caught:
        write_whole(path, "new")
    if isinstance(caught.value, OSError):
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_full_disk_is_an_oserror(tmp_path: Path) -> None:
    """A limit on the size of files makes the kernel itself cut the write short."""
    (tmp_path / "file").write_text("old")
    code = (
        "import resource, sys; from archspec.files import write_whole\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_whole(sys.argv[1], b'x' * 3000)\n"
        "except OSError as error: print(error.errno, error.filename)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[1])
    assert run.stdout.split() == [str(errno.EFBIG), str(tmp_path / "file")], run.stderr
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    code = (
        "import os, signal, sys; from archspec.files import write_whole\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_whole(sys.argv[1], b'new')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    assert subprocess.run(command, timeout=60, cwd=Path(__file__).parents[1]).returncode == -9
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("absent/file", FileNotFoundError), ("plain/file", NotADirectoryError), ("folder", IsADirectoryError)],
)
def test_errors_name_the_path_asked_for(tmp_path: Path, path: str, kind: type[OSError]) -> None:
    (tmp_path / "plain").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(kind) as caught:
        write_whole(tmp_path / path, "x")
    assert caught.value.filename == str(tmp_path / path)
    assert names(tmp_path) == ["folder", "plain"]


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_folder_without_permission_is_a_permission_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="file"):
            write_whole(tmp_path / "file", "x")
        assert names(tmp_path) == []
    finally:
        tmp_path.chmod(0o700)


def test_several_files_are_replaced_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").write_text("old")
    replaced: list[str] = []
    replace = os.replace

    def noted(part: str, target: str) -> None:
        parts = [name for name in names(tmp_path) if name.endswith(".part")]
        assert len(parts) == 3 - len(replaced), "one took its place before all were there"
        replaced.append(os.path.basename(target))
        replace(part, target)

    monkeypatch.setattr(os, "replace", noted)
    write_all({tmp_path / "b": "1", tmp_path / "a": b"2", str(tmp_path / "c"): "3"})
    assert replaced == ["b", "a", "c"]
    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == {"a": "2", "b": "1", "c": "3"}


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_failure_at_the_last_of_several_leaves_all_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    for name in "abc":
        (tmp_path / name).write_text("old")
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 3:
            raise failure

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(type(failure)) as caught:
        write_all({tmp_path / name: "new" for name in "abc"})
    if isinstance(caught.value, OSError):
        assert caught.value.filename == str(tmp_path / "c")
    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == dict.fromkeys("abc", "old")


def test_two_names_of_one_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    write_all({tmp_path / "file": "first", tmp_path / "link": "second"})
    assert (tmp_path / "file").read_text() == "second"
    assert names(tmp_path) == ["file", "link"]
