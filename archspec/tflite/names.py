"""Names of tensors, as the converter makes them: paths `MODEL/LAYER/OP`, those of fused ops joined by semicolons."""

from __future__ import annotations


def brief(name: str) -> str:
    """A name with the first path of each layer, which tells as much of where the tensor is from, in half the bytes."""
    first: dict[str, str] = {}
    for path in name.split(";"):
        parts = path.split("/")
        first.setdefault("/".join(parts[:2]) if len(parts) > 2 else path, path)
    return ";".join(first.values())
