"""Rows and a time in, feature values out: the read side of the engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rapport.errors import RowCorrupt
from rapport.windows.compiled import jit
from rapport.windows.finish import emit
from rapport.windows.gaps import NO_GAP, read_gap
from rapport.windows.plan import FUNCTION_CODES, Plan
from rapport.windows.rows import body_of, first_gap, gather, new_cursor, next_tile, open_series, read_newest, series_at
from rapport.windows.tiles import COUNT, LAST_T, clear, load, scratch_tile
from rapport.windows.values import EXPIRED, MISSING, PRESENT, Values, new_outputs

__all__ = ["read"]

_LAST = FUNCTION_CODES["last"]
_TIME_SINCE_LAST = FUNCTION_CODES["time_since_last"]


def read(plan: Plan, rows: Sequence[bytes | None], as_of_us: int | npt.NDArray[np.int64]) -> Values:
    """The features of r rows as of a time (one for all, or int64[r]), UTC microseconds.

    A row holds no event that is later than now, so a read must not ask for a time before the row's newest event. What
    a gap in a row leaves open is null.

    Raises:
        RowCorrupt: a row is not in the documented format; `rows` has the index of the damaged one.
    """
    src, starts = gather(plan, rows)
    outputs = new_outputs(plan, len(rows))
    as_of = np.full(len(rows), as_of_us, np.int64) if isinstance(as_of_us, int) else as_of_us
    tile = scratch_tile(len(src) // 8 + 1)
    row = _read_rows(plan.series, plan.features, src, starts, as_of, plan.view.ttl_us or 0, tile, outputs, new_cursor())
    if row >= 0:
        raise RowCorrupt(f"row {row} of view {plan.view.name!r} is not in the documented format", rows=(int(row),))
    return Values(plan, outputs, src)


@jit
def _emit_known(tile, kind, slide, since, features, feature, as_of, row, outputs):
    """Store one feature's value, if a gap before `since` leaves it known."""
    if since != NO_GAP:
        function, window = features[feature, 0], features[feature, 1]
        covered = window > 0 and (as_of - window) // slide * slide >= since
        asks_for_newest = function in (_LAST, _TIME_SINCE_LAST)
        if not covered and not (asks_for_newest and tile.state[COUNT] > 0 and tile.state[LAST_T] >= since):
            return
    emit(tile, kind, features, feature, as_of, row, outputs)


@jit
def _read_series(entry, since, features, src, cursor, as_of, tile, row, outputs):
    """Walk the tiles from the newest; a window's features are due as soon as the next tile is beyond it."""
    kind, slide, parts, feature, end = entry[1], entry[2], entry[4], entry[5], entry[6]
    clear(tile)
    while cursor.left[0] > 0 and feature < end:
        index = cursor.index[0]
        while feature < end and slide and (as_of - features[feature, 1]) // slide > index:
            _emit_known(tile, kind, slide, since, features, feature, as_of, row, outputs)
            feature += 1
        if feature == end:
            break
        behind = load(tile, src, cursor.at[0], cursor.end[0], parts, kind, slide, index * slide)
        if behind < 0 or not next_tile(src, cursor, slide, behind):
            return False
    while feature < end:
        _emit_known(tile, kind, slide, since, features, feature, as_of, row, outputs)
        feature += 1
    return True


@jit
def _read_row(series, features, src, start, end, as_of, tile, row, outputs, cursor):
    """Store all features of one row; False when its bytes are damaged."""
    place = body_of(src, start, end, len(series))
    if place < 0:
        return False
    gaps, next_gap = first_gap(src, start, end, len(series))
    gap_series, since = np.int64(-1), NO_GAP
    for s in range(len(series)):
        if gaps > 0 and gap_series < s:
            gap_series, since, _hi, _lo, next_gap = read_gap(src, next_gap)
            gaps -= 1
        place = open_series(src, place, end, series[s, 2], cursor)
        known_since = since if gap_series == s else NO_GAP
        if place < 0 or not _read_series(
            series_at(series, s), known_since, features, src, cursor, as_of, tile, row, outputs
        ):
            return False
    return place == end


@jit
def _read_rows(series, features, src, starts, as_of, ttl, tile, outputs, cursor):
    """Store all rows' features: -1, or the index of a damaged row."""
    for row in range(len(starts) - 1):
        start, end = starts[row], starts[row + 1]
        if start == end:
            outputs.status[row] = MISSING
            continue
        newest = read_newest(src, start)
        outputs.newest[row] = newest
        if ttl > 0 and as_of[row] - newest > ttl:
            outputs.status[row] = EXPIRED
            continue
        outputs.status[row] = PRESENT
        if not _read_row(series, features, src, start, end, as_of[row], tile, row, outputs, cursor):
            return row
    return -1
