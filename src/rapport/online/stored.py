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

__all__ = ["head_of", "newest_us", "read_stored", "usable"]

_NEWEST = struct.Struct("<q")
HEAD_BYTES = HEADER_BYTES
NEWEST_AT = MARK_BYTES + HEADER_BYTES - _NEWEST.size


def head_of(plan: Plan) -> bytes:
    """What a row of the plan's version and layout begins with."""
    return bytes([VERSION]) + plan.layout


def usable(plan: Plan, value: bytes | None) -> bytes | None:
    """The value, or None when there is none or its row is not of the plan's version and layout."""
    if value is None or value[MARK_BYTES:NEWEST_AT] != head_of(plan):
        return None
    return value


def newest_us(value: bytes) -> int:
    """The time of the newest event of a usable value, microseconds UTC."""
    time_us: int = _NEWEST.unpack_from(value, NEWEST_AT)[0]
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
