"""Files that are written whole or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path | str, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `path`: a reader sees the old file or the new one, never a part.

    Through a symbolic link the file behind it is replaced; permissions are those of a new file. The parent
    folder must exist. On any failure, an interrupt included, the old file stays and nothing is left behind.
    Raises OSError, which names `path`.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    part = os.path.join(folder, f".{secrets.token_hex(8)}.part")
    content = data.encode() if isinstance(data, str) else data
    try:
        with open(part, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(part)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    with suppress(OSError):  # some network filesystems cannot sync a folder; the file itself is whole
        _sync_folder(folder)


def reason(error: Exception) -> str:
    """What an error says, without the path that OSError repeats."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _sync_folder(folder: str) -> None:
    """Make the new name last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
