"""Files that are written whole or not at all."""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path | str, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `path`: a reader sees the old file or the new one, never a part.

    Through a symbolic link the file behind it is replaced; permissions are those of a new file. The parent
    folder must exist. On any failure, an interrupt included, the old file stays and nothing is left behind.
    Raises OSError, which names `path`.
    """
    write_all({path: data})


def write_all(files: Mapping[Path | str, bytes | str]) -> None:
    """Write several files as `write_whole` does: all of them lie on the disk before the first takes its place.

    A full disk or an interrupt leaves all old files. They take their places in the mapping's order, one by one.
    """
    parts: list[tuple[str, str]] = []  # where a content lies under another name, and the file it will be
    path: Path | str = ""
    try:
        for path, data in files.items():
            target = os.path.realpath(path)
            parts.append((os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.part"), target))
            _write(parts[-1][0], data.encode() if isinstance(data, str) else data)
        for path, moved in zip(files, parts, strict=True):  # noqa: B007  an error names it
            os.replace(*moved)
    except BaseException as error:
        for part, _ in parts:
            with suppress(OSError):
                os.unlink(part)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    for folder in {os.path.dirname(os.path.realpath(path)) for path in files}:
        with suppress(OSError):  # some network filesystems cannot sync a folder; the files themselves are whole
            _sync_folder(folder)


def reason(error: Exception) -> str:
    """What an error says, without the path that OSError repeats."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _write(path: str, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: str) -> None:
    """Make the new names last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
