"""The reference data that is not part of this repository."""

import os
from pathlib import Path

import pytest


def find_shared(path: str) -> Path:
    """The file or folder `path` of the reference data, which is not part of this repository.

    It lies below ARCHSPEC_SHARED (relative to the repository, default `../shared`). Where it is missing the
    test is skipped, or fails if ARCHSPEC_REQUIRE_SHARED is set.
    """
    found = (Path(__file__).parent.parent / os.environ.get("ARCHSPEC_SHARED", "../shared") / path).resolve()
    if os.access(found, os.R_OK):
        return found
    reason = f"cannot read {found}: set ARCHSPEC_SHARED to the folder of reference data"
    if os.environ.get("ARCHSPEC_REQUIRE_SHARED"):
        pytest.fail(reason)
    pytest.skip(reason)
