"""Rows of another layout, or of an older version of the format, as rows of a plan's layout.

A declaration has changed: series that it still has keep their tiles (a window that became shorter drops some, one that
became longer lacks some), and what is new begins with a gap. Nothing is read as what it is not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rapport.errors import RowCorrupt
from rapport.windows.compiled import jit
from rapport.windows.gaps import GAP_BYTES, NO_GAP, read_gap, write_gap
from rapport.windows.plan import LAST, LAST_TIME, Layout, Plan, SeriesLayout
from rapport.windows.rows import (
    HEADER_BYTES,
    PADDING,
    VERSION,
    body_of,
    first_gap,
    new_cursor,
    next_tile,
    open_series,
    read_newest,
    series_at,
    write_head,
)
from rapport.windows.tiles import DISTINCT_LIMIT, clear, load, room, scratch_tile, write, write_varint
from rapport.windows.updating import CORRUPT, FULL, HEAD_ROOM, closes, oldest_kept, put_series, write_index

__all__ = ["translate"]

_OLDEST_VERSION = 1


def translate(
    plan: Plan,
    old: Layout | None,
    rows: Sequence[bytes],
    hi: npt.NDArray[np.uint64],
    lo: npt.NDArray[np.uint64],
) -> list[bytes]:
    """Rows of one other layout as rows of the plan's.

    Args:
        plan: what the rows are to be.
        old: what they are; None when nobody knows: then they keep nothing but their time, and lack all else.
        rows: r rows, each of layout `old`, in this version of the format or an older one.
        hi, lo: uint64[r], the source position up to which each row has seen its customer's events.

    Returns:
        r rows. What they lack says a gap in their header; `complete` closes it.

    Raises:
        RowCorrupt: a row is not in the documented format; `rows` has its index.
    """
    current = [_current(row, at) for at, row in enumerate(rows)]
    known = old if old is not None else Layout(())
    if old is None:
        current = [row[:HEADER_BYTES] + b"\0" for row in current]
    starts = np.zeros(len(current) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, current), np.int64, len(current)), out=starts[1:])
    src = np.frombuffer(bytearray().join([*current, bytes(PADDING)]), np.uint8)
    out = np.empty(2 * len(src) + GAP_BYTES * (len(plan.series) + 1) * len(rows), np.uint8)
    ends = np.zeros(len(rows) + 1, np.int64)
    positions = np.array([hi, lo], np.uint64).view(np.int64)
    while True:
        result, row = _translate_rows(
            plan.series, int.from_bytes(plan.layout, "little"), _series_of(known), _sources(plan, known), src, starts,
            positions, scratch_tile(DISTINCT_LIMIT + 1), out, np.empty(len(out), np.uint8),
            np.empty((len(plan.series), 4), np.int64), np.empty(max(len(known.series), 1), np.int64), ends,
            new_cursor(),
        )  # fmt: skip
        if result == CORRUPT:
            raise RowCorrupt(f"row {row} of view {plan.view.name!r} is not in the documented format", rows=(row,))
        if result != FULL:
            break
        out = np.empty(2 * len(out), np.uint8)
    return [bytes(out.data[a:b]) for a, b in itertools.pairwise(ends.tolist())]


def _current(row: bytes, at: int) -> bytes:
    """A row of any version as one of this version: version 1 had no gaps."""
    if len(row) > HEADER_BYTES and row[0] == VERSION:
        return row
    if len(row) >= HEADER_BYTES and row[0] == _OLDEST_VERSION:
        return bytes([VERSION]) + row[1:HEADER_BYTES] + b"\0" + row[HEADER_BYTES:]
    raise RowCorrupt(f"row {at} has {len(row)} bytes, or is of a version that is not known", rows=(at,))


def _series_of(layout: Layout) -> npt.NDArray[np.int64]:
    """A layout's series as a plan has them, without features."""
    series = [(-1, entry.kind & 0xFF, entry.slide_us, entry.reach_us, entry.parts, 0, 0) for entry in layout.series]
    return np.array(series, np.int64).reshape(-1, 7)


def _sources(plan: Plan, old: Layout) -> npt.NDArray[np.int64]:
    """int64[s]: for each of the plan's series the old one whose tiles serve it, or -1."""
    return np.array([_source(entry, old) for entry in plan.keeps.series], np.int64)


def _source(wanted: SeriesLayout, old: Layout) -> int:
    for number, entry in enumerate(old.series):
        parts = entry.parts | (LAST_TIME if entry.parts & LAST else 0)
        if wanted[:3] == entry[:3] and wanted.parts & ~parts == 0:
            return number
    return -1


@jit
def _translate_series(entry, old_parts, src, cursor, oldest, tile, out):
    """One series' tiles with the new parts: (tiles, bytes), or (a negative code, 0)."""
    kind, slide, parts = entry[1], entry[2], entry[4]
    at, n_tiles, previous = np.int64(0), np.int64(0), np.int64(0)
    while cursor.left[0] > 0 and (slide == 0 or cursor.index[0] >= oldest):
        index = cursor.index[0]
        clear(tile)
        behind = load(tile, src, cursor.at[0], cursor.end[0], old_parts, kind, slide, index * slide)
        if behind < 0 or not next_tile(src, cursor, slide, behind):
            return np.int64(CORRUPT), at
        if at + room(tile, kind) + HEAD_ROOM > len(out):
            return np.int64(FULL), at
        at = write_index(out, at, slide, n_tiles, previous, index)
        at = write(tile, src, out, at, parts, kind, slide, index * slide)
        n_tiles += 1
        previous = index
    return n_tiles, at


@jit
def _old_gaps(old_series, src, start, end, gaps):
    """Note each old series' gap, its place in src, or -1."""
    for s in range(len(old_series)):
        gaps[s] = -1
    n, place = first_gap(src, start, end, len(old_series))
    for _ in range(n):
        s, _since, _hi, _lo, behind = read_gap(src, place)
        gaps[s] = place
        place = behind


@jit
def _new_gap(entry, source, old_series, src, old_gaps, newest, hi, lo):
    """What a series of the plan will lack, and where its tiles come from: (since, hi, lo, source or -1)."""
    since, none = NO_GAP, np.int64(-1)
    if source < 0:
        return newest + 1, hi, lo, none
    slide, old_reach = entry[2], old_series[source, 3]
    if slide > 0 and old_reach < entry[3]:
        since = oldest_kept(newest, old_reach, slide) * slide
    if old_gaps[source] >= 0:
        if since != NO_GAP:
            # Two gaps do not fit into one: begin anew.
            return newest + 1, hi, lo, none
        _s, since, gap_hi, gap_lo, _behind = read_gap(src, old_gaps[source])
        hi, lo = np.int64(gap_hi), np.int64(gap_lo)
    if closes(entry, newest, since):
        since = NO_GAP
    return since, hi, lo, source


@jit
def _find_series(old_series, src, start, end, source, cursor):
    """Set the cursor on one of a row's series; False when the bytes do not allow it."""
    place = body_of(src, start, end, len(old_series))
    for s in range(source + 1):
        if place < 0:
            return False
        place = open_series(src, place, end, old_series[s, 2], cursor)
    return place >= 0


@jit
def _write_gaps(gaps, out, at):
    n_gaps = 0
    for s in range(len(gaps)):
        n_gaps += gaps[s, 0] != NO_GAP
    at = write_varint(out, at, n_gaps)
    for s in range(len(gaps)):
        if gaps[s, 0] != NO_GAP:
            at = write_gap(out, at, s, gaps[s, 0], gaps[s, 1], gaps[s, 2])
    return at


@jit
def _translate_row(
    series, old_series, sources, src, start, end, newest, hi, lo, tile, out, at, scratch, gaps, old_gaps, cursor
):
    """Write a row behind `at`, where its head is: the place behind it, or a negative code."""
    if body_of(src, start, end, len(old_series)) < 0:
        return np.int64(CORRUPT)
    _old_gaps(old_series, src, start, end, old_gaps)
    for s in range(len(series)):
        entry = series_at(series, s)
        since, gap_hi, gap_lo, source = _new_gap(entry, sources[s], old_series, src, old_gaps, newest, hi, lo)
        gaps[s, 0], gaps[s, 1], gaps[s, 2], gaps[s, 3] = since, gap_hi, gap_lo, source
    at = _write_gaps(gaps, out, at)
    for s in range(len(series)):
        entry = series_at(series, s)
        n_tiles, size = np.int64(0), np.int64(0)
        if gaps[s, 3] >= 0:
            if not _find_series(old_series, src, start, end, gaps[s, 3], cursor):
                return np.int64(CORRUPT)
            oldest = oldest_kept(newest, entry[3], entry[2])
            n_tiles, size = _translate_series(entry, old_series[gaps[s, 3], 4], src, cursor, oldest, tile, scratch)
        at = put_series(n_tiles, size, scratch, out, at)
        if at < 0:
            return at
    return at


@jit
def _translate_rows(
    series, layout, old_series, sources, src, starts, positions, tile, out, scratch, gaps, old_gaps, ends, cursor
):
    """Write all rows to `out` and their ends to `ends`: (0, 0), or a negative code and the row that it is about."""
    at = np.int64(0)
    for row in range(len(starts) - 1):
        start, end = starts[row], starts[row + 1]
        if at + HEAD_ROOM + GAP_BYTES * len(series) > len(out):
            return FULL, row
        newest = read_newest(src, start)
        at = write_head(out, at, layout, newest)
        at = _translate_row(
            series, old_series, sources, src, start, end, newest, positions[0, row], positions[1, row],
            tile, out, at, scratch, gaps, old_gaps, cursor,
        )  # fmt: skip
        if at < 0:
            return at, row
        ends[row + 1] = at
    return 0, 0
