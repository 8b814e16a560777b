"""Rows and events in, rows out: the write side of the engine.

The result is a function of the set of events that a row has seen: order, batching and splits do not show in its bytes.
Tiles that no window can reach any more from the row's newest event are dropped on the way.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rapport.errors import RowCorrupt
from rapport.windows.columns import Events
from rapport.windows.compiled import jit
from rapport.windows.keyed import add_event, keyed, seen
from rapport.windows.plan import Plan
from rapport.windows.rows import (
    HEADER_BYTES,
    gather,
    new_cursor,
    next_tile,
    open_series,
    read_newest,
    series_at,
    write_header,
)
from rapport.windows.tiles import (
    DISTINCT_LIMIT,
    clear,
    copy,
    load,
    room,
    scratch_tile,
    skip,
    write,
    write_signed,
    write_varint,
)

__all__ = ["update"]

_FULL = -1
_CORRUPT = -2
_HEAD_ROOM = 64


def update(
    plan: Plan, rows: Sequence[bytes | None], row_of_event: npt.NDArray[np.int64], events: Events
) -> list[bytes]:
    """Add events to rows.

    Args:
        plan: the view's plan.
        rows: r stored rows; None, or a row of another layout, is an empty one.
        row_of_event: int64[n], the row of each event.
        events: n events, in any order, with at least the plan's columns.

    Returns:
        The r rows after the events. A row that got no event comes back as it was (an empty one as b"").

    Raises:
        RowCorrupt: a row is not in the documented format; `rows` has the indexes of the damaged ones that were met.
    """
    src, starts = gather(plan, rows)
    columns, src = keyed(plan, events, src)
    order = np.lexsort((-events.event_time_us, row_of_event))
    groups = np.searchsorted(row_of_event[order], np.arange(len(rows) + 1))
    tile = scratch_tile(DISTINCT_LIMIT + len(events) + 1)
    ends = np.zeros(len(rows) + 1, np.int64)
    out = np.empty(2 * len(src) + 512 * len(rows) + 64 * len(events), np.uint8)
    while True:
        result, row = _update_rows(
            plan.series, int.from_bytes(plan.layout, "little"), src, starts, order, groups,
            columns, tile, out, np.empty(len(out), np.uint8), ends, new_cursor(),
        )  # fmt: skip
        if result == _CORRUPT:
            raise RowCorrupt(f"row {row} of view {plan.view.name!r} is not in the documented format", rows=(row,))
        if result != _FULL:
            break
        out = np.empty(2 * len(out), np.uint8)
    return [bytes(out.data[a:b]) for a, b in itertools.pairwise(ends.tolist())]


@jit
def _oldest_kept(newest, reach, slide):
    """Index of the oldest tile that a read at or after `newest` can include; 0 without a window."""
    return (newest - reach) // slide if slide else np.int64(0)


@jit
def _tile_of(events, event, slide):
    return events.times[event] // slide if slide else np.int64(0)


@jit
def _write_index(out, at, slide, n_tiles, previous, index):
    """Write a tile's place in time: the first of a series as it is, the others as the distance from their newer one."""
    if slide == 0:
        return at
    return write_signed(out, at, index) if n_tiles == 0 else write_varint(out, at, previous - index)


@jit
def _merge_tile(entry, src, cursor, events, order, j, last, index, tile):
    """Bring one tile together: its stored part, if the cursor stands on it, and its events from order[j] on.

    Returns the place in `order` behind its events, or _CORRUPT.
    """
    column, kind, slide, parts = entry[0], entry[1], entry[2], entry[4]
    clear(tile)
    if cursor.left[0] > 0 and cursor.index[0] == index:
        behind = load(tile, src, cursor.at[0], cursor.end[0], parts, kind, slide, index * slide)
        if behind < 0 or not next_tile(src, cursor, slide, behind):
            return np.int64(_CORRUPT)
    while j < last and _tile_of(events, order[j], slide) == index:
        if seen(events, column, order[j]):
            add_event(tile, src, entry, events, order[j])
        j += 1
    return j


@jit
def _update_series(entry, src, cursor, rest_stays, oldest, events, order, j, last, tile, out):
    """Merge one series' tiles with a row's events into `out`: (tiles, bytes), or (a negative code, 0).

    Tiles and events both come newest first. `rest_stays`: no stored tile has become too old, so what is left of them
    when the events are done can be copied as it is.
    """
    column, kind, slide, parts = entry[0], entry[1], entry[2], entry[4]
    at, n_tiles, previous = np.int64(0), np.int64(0), np.int64(0)
    while True:
        while j < last and not (seen(events, column, order[j]) and _tile_of(events, order[j], slide) >= oldest):
            j += 1
        if j == last and cursor.left[0] == 0:
            return n_tiles, at
        if j == last or (cursor.left[0] > 0 and cursor.index[0] > _tile_of(events, order[j], slide)):
            index = cursor.index[0]
            if slide and index < oldest:
                cursor.left[0] = 0
                continue
            all_rest = j == last and rest_stays
            end = cursor.end[0]
            behind = end if all_rest else skip(src, cursor.at[0], end, parts, kind, slide)
            size = behind - cursor.at[0]
            if at + size + _HEAD_ROOM > len(out):
                return np.int64(_FULL), at
            at = _write_index(out, at, slide, n_tiles, previous, index)
            if size >= 0:
                at = copy(src, cursor.at[0], behind, out, at)
            if all_rest:
                return n_tiles + cursor.left[0], at
            if behind < 0 or not next_tile(src, cursor, slide, behind):
                return np.int64(_CORRUPT), at
        else:
            index = _tile_of(events, order[j], slide)
            j = _merge_tile(entry, src, cursor, events, order, j, last, index, tile)
            if j < 0:
                return np.int64(_CORRUPT), at
            if at + room(tile, kind) + _HEAD_ROOM > len(out):
                return np.int64(_FULL), at
            at = _write_index(out, at, slide, n_tiles, previous, index)
            at = write(tile, src, out, at, parts, kind, slide, index * slide)
        n_tiles += 1
        previous = index


@jit
def _update_row(series, src, place, end, newest, events, order, first, last, tile, out, at, scratch, cursor):
    """Write a row's series behind its header, which is written already: the place behind, or a negative code."""
    old = end > place
    before = read_newest(src, place) if old else newest
    place += HEADER_BYTES
    for s in range(len(series)):
        entry = series_at(series, s)
        slide = entry[2]
        cursor.left[0] = 0
        if old:
            place = open_series(src, place, end, slide, cursor)
            if place < 0:
                return np.int64(_CORRUPT)
        oldest = _oldest_kept(newest, entry[3], slide)
        rest_stays = oldest == _oldest_kept(before, entry[3], slide)
        n_tiles, size = _update_series(
            entry, src, cursor, rest_stays, oldest, events, order, first, last, tile, scratch
        )
        if n_tiles < 0:
            return n_tiles
        if at + size + _HEAD_ROOM > len(out):
            return np.int64(_FULL)
        at = write_varint(out, at, n_tiles)
        if n_tiles:
            at = write_varint(out, at, size)
            at = copy(scratch, np.int64(0), size, out, at)
    return np.int64(_CORRUPT) if old and place != end else at


@jit
def _update_rows(series, layout, src, starts, order, groups, events, tile, out, scratch, ends, cursor):
    """Write all rows to `out` and their ends to `ends`: (0, 0), or a negative code and the row that it is about."""
    at = np.int64(0)
    for row in range(len(starts) - 1):
        start, end = starts[row], starts[row + 1]
        first, last = groups[row], groups[row + 1]
        size = end - start
        if at + size + _HEAD_ROOM > len(out):
            return _FULL, row
        if first == last:
            at = copy(src, start, end, out, at)
        else:
            newest = events.times[order[first]]
            if size:
                newest = max(newest, read_newest(src, start))
            at = write_header(out, at, layout, newest)
            at = _update_row(
                series, src, start, end, newest, events, order, first, last, tile, out, at, scratch, cursor
            )
            if at < 0:
                return at, row
        ends[row + 1] = at
    return 0, 0
