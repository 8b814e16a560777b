"""The frame of a stored row: its header, and the walk over a series' tiles. docs/row-format.md has the bytes."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rapport.windows.compiled import jit
from rapport.windows.gaps import count_gaps, skip_gaps
from rapport.windows.plan import Plan
from rapport.windows.tiles import read_signed, read_varint

__all__: list[str] = []

VERSION = 2
HEADER_BYTES = 13
"""Bytes of the header before its gaps: version, layout, newest."""
PADDING = 64
"""Zero bytes behind the last row, so that reading a number at any place of a damaged row stays inside the buffer."""

SeriesCursor = namedtuple("SeriesCursor", ["left", "index", "at", "end"])
"""Where a walk over a series stands, int64[1] each: tiles left, the next one's index and place, the series' end."""


def gather(plan: Plan, rows: Sequence[bytes | None]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """All rows in one padded buffer, and int64[r + 1] starts; an absent row, or one of another layout, is empty."""
    head = bytes([VERSION]) + plan.layout
    kept = [row if row and len(row) > HEADER_BYTES and row[:5] == head else b"" for row in rows]
    starts = np.zeros(len(kept) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, kept), np.int64, len(kept)), out=starts[1:])
    return np.frombuffer(b"".join(kept) + bytes(PADDING), np.uint8), starts


def new_cursor() -> SeriesCursor:
    return SeriesCursor(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64))


@jit
def series_at(series, s):
    """A series' fields, as a tuple, and its number."""
    return (series[s, 0], series[s, 1], series[s, 2], series[s, 3], series[s, 4], series[s, 5], series[s, 6], s)


@jit
def write_head(out, at, layout, newest):
    """The header but its gaps."""
    out[at] = VERSION
    for i in range(4):
        out[at + 1 + i] = np.uint8((layout >> (8 * i)) & 0xFF)
    for i in range(8):
        out[at + 5 + i] = np.uint8((newest >> (8 * i)) & 0xFF)
    return at + HEADER_BYTES


@jit
def body_of(src, start, end, n_series):
    """The place where a row's series begin, or -1 when its header is damaged."""
    return skip_gaps(src, start + HEADER_BYTES, end, n_series)


@jit
def first_gap(src, start, end, n_series):
    """(number of gaps, place of the first) of a row whose header is whole."""
    return count_gaps(src, start + HEADER_BYTES, end, n_series)


@jit
def read_newest(src, start):
    newest = np.uint64(0)
    for i in range(8):
        newest |= np.uint64(src[start + 5 + i]) << np.uint64(8 * i)
    return np.int64(newest)


@jit
def open_series(src, at, end, slide, cursor):
    """Set the cursor to a series' newest tile; returns the place behind the series, or -1 when it does not fit."""
    cursor.left[0] = 0
    n_tiles, at = read_varint(src, at)
    if at > end or n_tiles > np.uint64(end):
        return -1
    if n_tiles == 0:
        return at
    size, at = read_varint(src, at)
    if at > end or size > np.uint64(end - at):
        return -1
    behind = at + np.int64(size)
    cursor.index[0] = 0
    if slide:
        cursor.index[0], at = read_signed(src, at)
    if at > behind or (slide == 0 and n_tiles != 1):
        return -1
    cursor.left[0], cursor.at[0], cursor.end[0] = np.int64(n_tiles), at, behind
    return behind


@jit
def next_tile(src, cursor, slide, behind):
    """Move the cursor past the tile that ends at `behind`; False when the bytes do not allow it."""
    cursor.left[0] -= 1
    if cursor.left[0] == 0:
        return behind == cursor.end[0]
    older, cursor.at[0] = read_varint(src, behind)
    cursor.index[0] -= np.int64(older)
    return slide != 0 and older > 0 and cursor.at[0] <= cursor.end[0]
