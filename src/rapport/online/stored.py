"""A stored value is mark + row. Telling usable, outdated and damaged ones apart, by the row's header.

The header is the engine's (docs/row-format.md): u8 version, 4 bytes of the plan's layout, i64 little-endian time of
the newest event. A row of another version or layout counts as absent: the declaration has changed since.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from rapport.errors import RowCorrupt
from rapport.online.marks import MARK_BYTES
from rapport.windows import Plan, Values, read
from rapport.windows.rows import HEADER_BYTES, VERSION

__all__ = ["bring_up", "newest_us", "read_stored", "usable"]

_NEWEST = struct.Struct("<q")
_NEWEST_AT = MARK_BYTES + HEADER_BYTES - _NEWEST.size


def usable(plan: Plan, value: bytes | None) -> bytes | None:
    """The value, or None when there is none or its row is not of the plan's version and layout."""
    if value is None or value[MARK_BYTES:_NEWEST_AT] != bytes([VERSION]) + plan.layout:
        return None
    return value


def bring_up(plan: Plan, values: Sequence[bytes | None], layouts: None = None) -> tuple[list[bytes | None], list[int]]:
    """The n stored values with their rows in the plan's layout, and the places of those that are damaged (now None)."""
    return [usable(plan, value) for value in values], []


def newest_us(value: bytes) -> int:
    """The time of the newest event of a usable value, microseconds UTC."""
    time_us: int = _NEWEST.unpack_from(value, _NEWEST_AT)[0]
    return time_us


def read_stored(plan: Plan, values: Sequence[bytes | None], as_of_us: int) -> tuple[Values, tuple[int, ...]]:
    """The features of n stored values, and the places of those that are damaged, which count as missing."""
    rows = [None if value is None else value[MARK_BYTES:] for value in values]
    damaged: list[int] = []
    while True:
        try:
            return read(plan, rows, as_of_us), tuple(sorted(damaged))
        except RowCorrupt as error:
            if not error.rows:
                raise
            damaged += error.rows
            for at in error.rows:
                rows[at] = None
