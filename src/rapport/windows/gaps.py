"""What a row's series lack, compiled: the gaps in a row's header (docs/row-format.md).

A row that is begun when its customer already has a past, or a series that a changed declaration adds, has not seen all
events. A gap says which ones it lacks: those up to a source position that are dated before a time. `complete` adds
them; until then features whose window begins before that time are null.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rapport.windows.compiled import jit
from rapport.windows.tiles import read_signed, read_varint, write_signed, write_varint

__all__ = ["Gap"]

NO_GAP = np.int64(np.iinfo(np.int64).min)
"""The time since which a series without a gap is complete."""

GAP_BYTES = 48
"""More than one gap takes in a header."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What is lacking: events at or before a source position that are dated before a time.

    Attributes:
        since_us: event time from which nothing is lacking, microseconds UTC.
        hi, lo: the source position after which nothing is lacking (rapport.bus.protocol.Position).
    """

    since_us: int
    hi: int
    lo: int


@jit
def read_gap(src, at):
    """A gap: (series, since, hi, lo, place behind it)."""
    series, at = read_varint(src, at)
    since, at = read_signed(src, at)
    hi, at = read_varint(src, at)
    lo, at = read_varint(src, at)
    return np.int64(series & np.uint64(0x7FFF_FFFF)), since, hi, lo, at


@jit
def write_gap(out, at, series, since, hi, lo):
    at = write_varint(out, at, series)
    at = write_signed(out, at, since)
    at = write_varint(out, at, hi)
    return write_varint(out, at, lo)


@jit
def count_gaps(src, at, end, n_series):
    """The number of gaps and the place of the first; (-1, at) when the bytes do not hold so many."""
    n, at = read_varint(src, at)
    if at > end or n > np.uint64(n_series):
        return np.int64(-1), at
    return np.int64(n), at


@jit
def skip_gaps(src, at, end, n_series):
    """The place behind all gaps, where the series begin; -1 when these bytes are not gaps, ordered by series."""
    n, at = count_gaps(src, at, end, n_series)
    before = np.int64(-1)
    for _ in range(n):
        series, _since, _hi, _lo, at = read_gap(src, at)
        if at > end or series <= before or series >= n_series:
            return np.int64(-1)
        before = series
    return np.int64(-1) if n < 0 else at


@jit
def is_in_gap(since, hi, lo, time, event_hi, event_lo):
    """Whether a gap means this event."""
    return time < since and (event_hi < hi or (event_hi == hi and event_lo <= lo))
