"""Writes a flatbuffer in which equal parts are stored once."""

# ruff: noqa: N802, N803 - the names are those of the class that is extended

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flatbuffers import Builder

BYTES = 16  # alignment of vectors of bytes: the schema asks for it of a model's buffers, which hold values of any type
OFFSET = 4  # bytes of the offset by which a part points at another

Field = tuple[int, int, bytes | int]
"""Of a table: its bytes, its slot, and its value as stored, or the place of the part it points at."""


class SharingBuilder(Builder):  # type: ignore[misc]
    """A builder that answers with the place of an equal string, vector or table where it has written one before.

    For the `Pack` of an object API. Parts are compared from the leaves up, so that equal trees become one. The fields
    of a table are laid out by size, the largest behind: equal tables have equal layouts, without gaps between fields.
    Nothing may be altered in place in what is written, as it may belong to others too.
    """

    def __init__(self, size: int) -> None:
        """`size`: bytes to begin with; more are taken as needed."""
        super().__init__(size)
        self._places: dict[object, int] = {}
        self._before = 0  # where the vector begins that is being written
        self._targets: list[int] = []  # of the offsets in it
        self._slots = 0  # of the table that is being written
        self._fields: list[Field] = []

    def CreateString(self, s: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> int:
        text = s.encode(encoding, errors) if isinstance(s, str) else s
        return self._once(("string", text), lambda: super(SharingBuilder, self).CreateString(text))

    def CreateNumpyVector(self, x: Any) -> int:
        key = (x.dtype.str, x.tobytes())
        return self._once(key, lambda: super(SharingBuilder, self).CreateNumpyVector(x))

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> None:
        self._before = self.Offset()
        super().StartVector(elemSize, numElems, BYTES if elemSize == 1 else alignment)

    def PrependUOffsetTRelative(self, off: int) -> None:
        self._targets.append(off)
        super().PrependUOffsetTRelative(off)

    def EndVector(self, numElems: int | None = None) -> int:
        targets, self._targets = tuple(self._targets), []
        end: int = super().EndVector(numElems)
        place = self._once(("offsets", targets), lambda: end) if targets else end
        if place != end:  # offsets are relative to where they stand: written first, compared by what they point at
            self.head = len(self.Bytes) - self._before
        return place

    def StartObject(self, numfields: int) -> None:
        self._slots, self._fields = numfields, []

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:
        stored = None if x is None else flags.packer_type.pack(x)
        if stored is not None and (d is None or stored != flags.packer_type.pack(d)):
            self._fields.append((flags.bytewidth, o, stored))

    def PrependUOffsetTRelativeSlot(self, o: int, x: int, d: int) -> None:
        if x != d:
            self._fields.append((OFFSET, o, x))

    def EndObject(self) -> int:
        fields = tuple(sorted(self._fields, key=lambda field: (-field[0], field[1])))
        return self._once(("table", fields), lambda: self._table(fields))

    def _table(self, fields: tuple[Field, ...]) -> int:
        self.Prep(max((size for size, _, _ in fields), default=OFFSET), 0)
        super().StartObject(self._slots)
        for size, slot, value in fields:
            if isinstance(value, int):
                super().PrependUOffsetTRelative(value)
            else:
                self.Prep(size, 0)
                self.head -= size
                self.Bytes[self.head : self.head + size] = value
            self.Slot(slot)
        end: int = super().EndObject()
        return end

    def _once(self, key: object, write: Callable[[], int]) -> int:
        if key not in self._places:
            self._places[key] = write()
        return self._places[key]
