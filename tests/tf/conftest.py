"""Keeps the noise of TensorFlow out of the tests' output, and the models of one file out of the memory of the next."""

import gc
import os
import sys
from collections.abc import Iterator

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the import of tensorflow


def pytest_configure(config: pytest.Config) -> None:
    # Keras 3.15 reads its variables through a protocol that numpy 2.4 calls old
    config.addinivalue_line("filterwarnings", "ignore:__array__ implementation doesn't accept:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def _released(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let go of a file's models when it is through: together the zoo's take more memory than a machine has."""
    yield
    for value in vars(request.module).values():
        if clear := getattr(value, "cache_clear", None):
            clear()
    if keras := sys.modules.get("keras"):  # some files run other processes only
        keras.backend.clear_session()
    gc.collect()
