"""tf.train.Example out of its bytes: the features of one record.

Sources: the encoding of protocol buffers (protobuf.dev/programming-guides/encoding), and
tensorflow/core/example/example.proto and feature.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NoReturn

VARINT, I64, LEN, I32 = 0, 1, 2, 5  # types on the wire
Value = bytes | int | float


class FeatureError(Exception):
    """Bytes that are no tf.train.Example."""


def features(data: bytes) -> dict[str, list[Value]]:
    """The values of each feature by name. Raises FeatureError."""
    found: dict[str, list[Value]] = {}
    for _, inner in _messages(data, 1):  # Example.features
        for _, entry in _messages(inner, 1):  # Features.feature, a map
            parts = dict(_messages(entry, 1, 2))
            try:
                found[parts.get(1, b"").decode()] = _values(parts.get(2, b""))
            except UnicodeDecodeError as error:
                raise FeatureError("a feature's name is no text") from error
    return found


def _values(feature: bytes) -> list[Value]:
    """Feature's bytes_list (1), float_list (2) or int64_list (3)."""
    found: list[Value] = []
    for kind, inner in _messages(feature, 1, 2, 3):
        for number, value in _fields(inner):
            if number != 1:
                continue
            if kind == 1:
                found.append(value if isinstance(value, bytes) else _odd())
            elif kind == 2:
                found += _floats(value)
            else:
                found += _integers(value)
    return found


def _floats(value: bytes | int) -> list[float]:
    """Packed ones, or the four bytes of one."""
    if not isinstance(value, bytes) or len(value) % 4:
        return _odd()
    return list(struct.unpack(f"<{len(value) // 4}f", value))


def _integers(value: bytes | int) -> list[int]:
    numbers, at = [value] if isinstance(value, int) else [], 0
    while isinstance(value, bytes) and at < len(value):
        number, at = _varint(value, at)
        numbers.append(number)
    return [n - 2**64 if n >= 2**63 else n for n in numbers]


def _messages(data: bytes, *numbers: int) -> Iterator[tuple[int, bytes]]:
    """The fields of these numbers, which hold messages or bytes."""
    for number, value in _fields(data):
        if number in numbers:
            yield number, value if isinstance(value, bytes) else _odd()


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Each field's number and value: a varint as an int, all else as its bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value: bytes | int
            value, at = _varint(data, at)
        else:
            if kind == LEN:
                size, at = _varint(data, at)
            elif kind in (I64, I32):
                size = 8 if kind == I64 else 4
            else:
                _odd()
            if at + size > len(data):
                _odd()
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    return _odd()


def _odd() -> NoReturn:
    raise FeatureError("it is cut off, or of another type")
