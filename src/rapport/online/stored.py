"""A stored value is mark + row. Telling rows of a plan, of another layout and damaged ones apart, by the row's header.

The header is the engine's (docs/row-format.md): u8 version, 4 bytes of the layout's digest, i64 little-endian time of
the newest event, gaps. A row of an older version or of another layout is translated.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

from rapport.errors import RowCorrupt
from rapport.online.marks import MARK_BYTES, decode_marks
from rapport.windows import Layout, Plan, Values, read, translate
from rapport.windows.rows import HEADER_BYTES, VERSION

__all__ = ["KnownLayouts", "bring_up", "head_of", "newest_us", "read_stored"]

_NEWEST = struct.Struct("<q")
_NEWEST_AT = MARK_BYTES + HEADER_BYTES - _NEWEST.size
_DIGEST = slice(MARK_BYTES + 1, _NEWEST_AT)


class KnownLayouts(Protocol):
    """Finds a layout by its digest: rapport.online.layouts.Layouts."""

    def find(self, digest: bytes) -> Layout | None: ...


def head_of(plan: Plan) -> bytes:
    """The bytes behind the mark of every value that needs no translation."""
    return bytes([VERSION]) + plan.layout


def newest_us(value: bytes) -> int:
    """The time of the newest event of a value, microseconds UTC."""
    time_us: int = _NEWEST.unpack_from(value, _NEWEST_AT)[0]
    return time_us


def bring_up(
    plan: Plan, values: Sequence[bytes | None], layouts: KnownLayouts | None
) -> tuple[list[bytes | None], list[int]]:
    """The n stored values with their rows in the plan's layout, and the places of those that are damaged (now None).

    Without `layouts`, or where they do not know a row's, the row keeps nothing but its time and lacks all else.
    """
    head = head_of(plan)
    current = list(values)
    damaged: list[int] = []
    for at, value in enumerate(values):
        if value is None or value[MARK_BYTES:_NEWEST_AT] == head:
            continue
        try:
            current[at] = _translated(plan, value, layouts)
        except RowCorrupt:
            current[at] = None
            damaged.append(at)
    return current, damaged


def _translated(plan: Plan, value: bytes, layouts: KnownLayouts | None) -> bytes:
    digest = value[_DIGEST]
    old = plan.keeps if digest == plan.layout else layouts.find(digest) if layouts is not None else None
    mark = decode_marks([value])
    hi, lo = mark["hi"].astype("<u8"), mark["lo"].astype("<u8")
    return value[:MARK_BYTES] + translate(plan, old, [value[MARK_BYTES:]], hi, lo)[0]


def read_stored(
    plan: Plan, values: Sequence[bytes | None], as_of_us: int, layouts: KnownLayouts | None = None
) -> tuple[Values, tuple[int, ...]]:
    """The features of n stored values, and the places of those that are damaged, which count as missing."""
    current, damaged = bring_up(plan, values, layouts)
    rows = [None if value is None else value[MARK_BYTES:] for value in current]
    while True:
        try:
            return read(plan, rows, as_of_us), tuple(sorted(damaged))
        except RowCorrupt as error:
            if not error.rows:
                raise
            damaged += error.rows
            for at in error.rows:
                rows[at] = None
