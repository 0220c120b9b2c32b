"""Reads flatbuffers by the numbers of their fields, from the format's description and nothing else.

A table begins with the distance back to its vtable: 16-bit numbers, of which the first is the vtable's size and the
third and those after it are the places of the fields, 0 for one that is absent (flatbuffers.dev/internals).
"""

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    data: bytes
    at: int

    def place(self, field: int) -> int:
        """Where a field lies, 0 where it is absent."""
        vtable = self.at - struct.unpack_from("<i", self.data, self.at)[0]
        if 4 + 2 * field >= struct.unpack_from("<H", self.data, vtable)[0]:
            return 0
        offset = struct.unpack_from("<H", self.data, vtable + 4 + 2 * field)[0]
        return self.at + offset if offset else 0

    def number(self, field: int, code: str) -> int:
        """A scalar, with the code that `struct` gives its type."""
        place = self.place(field)
        return int(struct.unpack_from(f"<{code}", self.data, place)[0]) if place else 0

    def target(self, field: int) -> int:
        """What a field refers to."""
        place = self.place(field)
        assert place, f"field {field} is absent"
        return place + int(struct.unpack_from("<I", self.data, place)[0])

    def table(self, field: int) -> "Table":
        return Table(self.data, self.target(field))

    def bytes(self, field: int) -> bytes:
        """A vector of bytes, or a string."""
        start = self.target(field)
        return self.data[start + 4 : start + 4 + struct.unpack_from("<I", self.data, start)[0]]

    def text(self, field: int) -> str:
        return self.bytes(field).decode()

    def floats(self, field: int) -> list[float]:
        start = self.target(field)
        return list(struct.unpack_from(f"<{struct.unpack_from('<I', self.data, start)[0]}f", self.data, start + 4))

    def tables(self, field: int) -> "list[Table]":
        start = self.target(field)
        places = range(start + 4, start + 4 + 4 * struct.unpack_from("<I", self.data, start)[0], 4)
        return [Table(self.data, at + struct.unpack_from("<I", self.data, at)[0]) for at in places]


def root(data: bytes, identifier: bytes) -> Table:
    assert data[4:8] == identifier, data[4:8]
    return Table(data, struct.unpack_from("<I", data, 0)[0])
