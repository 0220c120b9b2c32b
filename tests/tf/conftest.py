"""Keeps the noise of TensorFlow and Keras out of the tests' output."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before the import of tensorflow


def pytest_configure(config: pytest.Config) -> None:
    # Keras 3.15 reads its variables through a protocol that numpy 2.4 calls old
    config.addinivalue_line("filterwarnings", "ignore:__array__ implementation doesn't accept:DeprecationWarning")
