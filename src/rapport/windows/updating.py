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
from rapport.windows.gaps import GAP_BYTES, Gap, read_gap, write_gap
from rapport.windows.keyed import Keyed, add_event, keyed, taken
from rapport.windows.plan import Plan
from rapport.windows.rows import (
    SeriesCursor,
    body_of,
    first_gap,
    gather,
    new_cursor,
    next_tile,
    open_series,
    read_newest,
    series_at,
    write_head,
)
from rapport.windows.tiles import (
    DISTINCT_LIMIT,
    Tile,
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

FULL = -1
CORRUPT = -2
HEAD_ROOM = 64
ADDING, BEGINNING, COMPLETING = 0, 1, 2
"""What a call does beside adding events: nothing; give the rows that it begins a gap; close all gaps."""


def update(
    plan: Plan,
    rows: Sequence[bytes | None],
    row_of_event: npt.NDArray[np.int64],
    events: Events,
    *,
    begun: Gap | None = None,
) -> list[bytes]:
    """Add events to rows.

    Args:
        plan: the view's plan.
        rows: r stored rows; None, or a row of another layout (`translate` makes it one of this), is an empty one.
        row_of_event: int64[n], the row of each event.
        events: n events, in any order, with at least the plan's columns.
        begun: what rows lack that are begun now; None: nothing, their customers have no past.

    Returns:
        The r rows after the events. A row that got no event comes back as it was (an empty one as b"").

    Raises:
        RowCorrupt: a row is not in the documented format; `rows` has the indexes of the damaged ones that were met.
    """
    src, starts = gather(plan, rows)
    columns, src = keyed(plan, events, src)
    return run(plan, src, starts, row_of_event, columns, how_to_begin(begun))


def how_to_begin(begun: Gap | None) -> npt.NDArray[np.int64]:
    """The `how` of adding events, where rows that are begun lack `begun`."""
    return _words((ADDING, 0, 0, 0) if begun is None else (BEGINNING, begun.since_us, begun.hi, begun.lo))


def _words(how: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Numbers of up to 64 bits, as compiled code takes them."""
    return np.array([number & 0xFFFF_FFFF_FFFF_FFFF for number in how], np.uint64).view(np.int64)


def run(
    plan: Plan,
    src: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    row_of_event: npt.NDArray[np.int64],
    columns: Keyed,
    how: npt.NDArray[np.int64],
) -> list[bytes]:
    """The rows in `src` after the events; `how` is int64[4]: what else is done, and the gap of a row that is begun."""
    n_rows, n_events = len(starts) - 1, len(row_of_event)
    order = np.lexsort((-columns.times, row_of_event))
    groups = np.searchsorted(row_of_event[order], np.arange(n_rows + 1))
    tile = scratch_tile(DISTINCT_LIMIT + n_events + 1)
    ends = np.zeros(n_rows + 1, np.int64)
    out = np.empty(2 * len(src) + (512 + GAP_BYTES * len(plan.series)) * n_rows + 64 * n_events, np.uint8)
    while True:
        result, row = update_rows(
            plan.series, int.from_bytes(plan.layout, "little"), src, starts, order, groups,
            tuple(columns), how, tuple(tile), out, np.empty(len(out), np.uint8), ends, tuple(new_cursor()),
        )  # fmt: skip
        if result == CORRUPT:
            raise RowCorrupt(f"row {row} of view {plan.view.name!r} is not in the documented format", rows=(row,))
        if result != FULL:
            break
        out = np.empty(2 * len(out), np.uint8)
    return [bytes(out.data[a:b]) for a, b in itertools.pairwise(ends.tolist())]


@jit
def oldest_kept(newest, reach, slide):
    """Index of the oldest tile that a read at or after `newest` can include; 0 without a window."""
    return (newest - reach) // slide if slide else np.int64(0)


@jit
def _tile_of(events, event, slide):
    return events.times[event] // slide if slide else np.int64(0)


@jit
def write_index(out, at, slide, n_tiles, previous, index):
    """Write a tile's place in time: the first of a series as it is, the others as the distance from their newer one."""
    if slide == 0:
        return at
    return write_signed(out, at, index) if n_tiles == 0 else write_varint(out, at, previous - index)


@jit
def _merge_tile(entry, src, cursor, events, order, j, last, index, tile):
    """Bring one tile together: its stored part, if the cursor stands on it, and its events from order[j] on.

    Returns the place in `order` behind its events, or CORRUPT.
    """
    kind, slide, parts = entry[1], entry[2], entry[4]
    clear(tile)
    if cursor.left[0] > 0 and cursor.index[0] == index:
        behind = load(tile, src, cursor.at[0], cursor.end[0], parts, kind, slide, index * slide)
        if behind < 0 or not next_tile(src, cursor, slide, behind):
            return np.int64(CORRUPT)
    while j < last and _tile_of(events, order[j], slide) == index:
        if taken(events, entry, order[j]):
            add_event(tile, src, entry, events, order[j])
        j += 1
    return j


@jit
def _update_series(entry, src, cursor, rest_stays, oldest, events, order, j, last, tile, out):
    """Merge one series' tiles with a row's events into `out`: (tiles, bytes), or (a negative code, 0).

    Tiles and events both come newest first. `rest_stays`: no stored tile has become too old, so what is left of them
    when the events are done can be copied as it is.
    """
    kind, slide, parts = entry[1], entry[2], entry[4]
    at, n_tiles, previous = np.int64(0), np.int64(0), np.int64(0)
    while True:
        while j < last and not (taken(events, entry, order[j]) and _tile_of(events, order[j], slide) >= oldest):
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
            if at + size + HEAD_ROOM > len(out):
                return np.int64(FULL), at
            at = write_index(out, at, slide, n_tiles, previous, index)
            if size >= 0:
                at = copy(src, cursor.at[0], behind, out, at)
            if all_rest:
                return n_tiles + cursor.left[0], at
            if behind < 0 or not next_tile(src, cursor, slide, behind):
                return np.int64(CORRUPT), at
        else:
            index = _tile_of(events, order[j], slide)
            j = _merge_tile(entry, src, cursor, events, order, j, last, index, tile)
            if j < 0:
                return np.int64(CORRUPT), at
            if at + room(tile, kind) + HEAD_ROOM > len(out):
                return np.int64(FULL), at
            at = write_index(out, at, slide, n_tiles, previous, index)
            at = write(tile, src, out, at, parts, kind, slide, index * slide)
        n_tiles += 1
        previous = index


@jit
def closes(entry, newest, since):
    """Whether a gap does not matter any more: no window of the series reaches back to before `since`."""
    slide = entry[2]
    return slide > 0 and oldest_kept(newest, entry[3], slide) * slide >= since


@jit
def _write_own_gaps(series, newest, how, out, at):
    """The gaps of a row that is begun now: its place in time is before each series' windows, or the series has one."""
    n_gaps = 0
    for s in range(len(series)):
        n_gaps += not closes(series_at(series, s), newest, how[1])
    at = write_varint(out, at, n_gaps)
    for s in range(len(series)):
        if not closes(series_at(series, s), newest, how[1]):
            at = write_gap(out, at, s, how[1], how[2], how[3])
    return at


@jit
def _write_kept_gaps(series, src, n, place, newest, out, at):
    """Those of a stored row's n gaps that matter still."""
    n_gaps, behind = 0, place
    for _ in range(n):
        s, since, _hi, _lo, behind = read_gap(src, behind)
        n_gaps += not closes(series_at(series, s), newest, since)
    at = write_varint(out, at, n_gaps)
    for _ in range(n):
        s, since, hi, lo, place = read_gap(src, place)
        if not closes(series_at(series, s), newest, since):
            at = write_gap(out, at, s, since, hi, lo)
    return at


@jit
def _write_gaps(series, src, start, end, newest, how, out, at):
    if how[0] == COMPLETING or (start == end and how[0] == ADDING):
        return write_varint(out, at, 0)
    if start == end:
        return _write_own_gaps(series, newest, how, out, at)
    n, place = first_gap(src, start, end, len(series))
    return _write_kept_gaps(series, src, n, place, newest, out, at)


@jit
def put_series(n_tiles, size, scratch, out, at):
    """Append a series that was written to `scratch`, behind what it holds: the place behind, or a negative code."""
    if n_tiles < 0:
        return n_tiles
    if at + size + HEAD_ROOM > len(out):
        return np.int64(FULL)
    at = write_varint(out, at, n_tiles)
    if n_tiles:
        at = write_varint(out, at, size)
        at = copy(scratch, np.int64(0), size, out, at)
    return at


@jit
def _update_row(series, src, start, end, newest, events, order, first, last, how, tile, out, at, scratch, cursor):
    """Write a row behind `at`, where its head is: the place behind it, or a negative code."""
    old = end > start
    place = body_of(src, start, end, len(series)) if old else start
    if place < 0:
        return np.int64(CORRUPT)
    at = _write_gaps(series, src, start, end, newest, how, out, at)
    before = read_newest(src, start) if old else newest
    for s in range(len(series)):
        entry = series_at(series, s)
        slide = entry[2]
        cursor.left[0] = 0
        if old:
            place = open_series(src, place, end, slide, cursor)
            if place < 0:
                return np.int64(CORRUPT)
        oldest = oldest_kept(newest, entry[3], slide)
        rest_stays = oldest == oldest_kept(before, entry[3], slide)
        n_tiles, size = _update_series(
            entry, src, cursor, rest_stays, oldest, events, order, first, last, tile, scratch
        )
        at = put_series(n_tiles, size, scratch, out, at)
        if at < 0:
            return at
    return np.int64(CORRUPT) if old and place != end else at


@jit
def _first_taken(events, order, first, last):
    """The first of a row's events, newest first, that any series takes; `last` when there is none."""
    n_series = len(events.hidden)
    while first < last:
        for s in range(n_series):
            if not events.hidden[s, order[first]]:
                return first
        if n_series == 0:
            return first
        first += 1
    return last


@jit
def update_rows(series, layout, src, starts, order, groups, events, how, tile, out, scratch, ends, cursor):
    """Write all rows to `out` and their ends to `ends`: (0, 0), or a negative code and the row that it is about.

    Takes Keyed, Tile and SeriesCursor as plain tuples: to hand over one with names takes microseconds.
    """
    return _update_rows(
        series, layout, src, starts, order, groups, Keyed(*events), how, Tile(*tile), out, scratch, ends,
        SeriesCursor(*cursor),
    )  # fmt: skip


@jit
def _update_rows(series, layout, src, starts, order, groups, events, how, tile, out, scratch, ends, cursor):
    at = np.int64(0)
    for row in range(len(starts) - 1):
        start, end, last = starts[row], starts[row + 1], groups[row + 1]
        first = _first_taken(events, order, groups[row], last)
        size = end - start
        if at + size + HEAD_ROOM + GAP_BYTES * len(series) > len(out):
            return FULL, row
        if first == last and (size == 0 or how[0] != COMPLETING):
            at = copy(src, start, end, out, at)
        else:
            newest = events.times[order[first]] if first < last else read_newest(src, start)
            if size:
                newest = max(newest, read_newest(src, start))
            at = write_head(out, at, layout, newest)
            at = _update_row(
                series, src, start, end, newest, events, order, first, last, how, tile, out, at, scratch, cursor
            )
            if at < 0:
                return at, row
        ends[row + 1] = at
    return 0, 0
