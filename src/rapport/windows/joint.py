"""Many customers' rows of several views in, one matrix out: all of a service in a single call of compiled code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from rapport.windows.compiled import jit
from rapport.windows.plan import FEATURE_FIELDS, SERIES_FIELDS, Plan
from rapport.windows.reading import read_row
from rapport.windows.rows import HEADER_BYTES, PADDING, VERSION, new_cursor, read_newest
from rapport.windows.tiles import scratch_tile
from rapport.windows.values import EXPIRED, MISSING, PRESENT, Outputs

__all__ = ["DAMAGED", "FOREIGN", "Joint", "JointValues", "Wanted"]

FOREIGN, DAMAGED = 3, 4
"""Statuses beside PRESENT, MISSING and EXPIRED: a row of another version or layout, and one that cannot be read."""

_HEAD_BYTES = 5
"""Version and layout, at the start of a row."""
_HEAD, _TTL, _FIRST_SERIES, _N_SERIES, _FIRST_FEATURE, _BEHIND_FEATURE = range(6)
"""Fields of a view: its rows' first bytes, its time to live, its series and its features among those of all views."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Some features of a view, and the column of the result in which they begin."""

    plan: Plan
    features: Sequence[str]
    column: int


@dataclass(frozen=True, slots=True)
class JointValues:
    """Feature values of n customers in V views, in F columns.

    Attributes:
        status: uint8[n, V]: PRESENT, MISSING, EXPIRED, FOREIGN or DAMAGED; but for PRESENT all features are null.
        newest_us: int64[n, V], time of the newest event, microseconds UTC; 0 unless present or expired.
        floats: float64[n, F]: null and strings are NaN, booleans 0 and 1, decimals rounded.
        integers: int64[n, F]: integers and booleans as they are, decimals in units of their last place; anything where
            null.
        valid: bool[n, F]; False is null.
    """

    status: npt.NDArray[np.uint8]
    newest_us: npt.NDArray[np.int64]
    floats: npt.NDArray[np.float64]
    integers: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]
    _lengths: npt.NDArray[np.int64]
    _bytes: bytearray

    def texts(self, feature: int) -> tuple[str | None, ...]:
        """The n values of a string feature. Bytes that are not UTF-8, of a damaged row, give U+FFFD."""
        data, valid = self._bytes, self.valid[:, feature].tolist()
        places = zip(self.integers[:, feature].tolist(), self._lengths[:, feature].tolist(), valid, strict=True)
        return tuple([data[at : at + size].decode(errors="replace") if known else None for at, size, known in places])


class Joint:
    """Reads the rows of V views together. Prepared once; used from any thread.

    Args:
        views: what is wanted of each view.
        width: F, the columns of the result; those of no view are null.
        skip_bytes: bytes in front of each row that are not its own.
    """

    def __init__(self, views: Sequence[Wanted], width: int, *, skip_bytes: int = 0) -> None:
        self._width = width
        self._skip = skip_bytes
        entries: list[tuple[int, ...]] = []
        series: list[list[int]] = []
        features: list[list[int]] = []
        for view in views:
            first_series, first_feature = len(series), len(features)
            _add(view, series, features)
            head = int.from_bytes(bytes([VERSION]) + view.plan.layout, "little")
            ttl_us = view.plan.view.ttl_us or 0
            entries.append((head, ttl_us, first_series, len(series) - first_series, first_feature, len(features)))
        self._views = np.array(entries, np.int64).reshape(-1, _BEHIND_FEATURE + 1)
        self._series = np.array(series, np.int64).reshape(-1, len(SERIES_FIELDS))
        self._features = np.array(features, np.int64).reshape(-1, len(FEATURE_FIELDS))

    def read(self, rows: Sequence[bytes | None], count: int, as_of_us: int | Sequence[int]) -> JointValues:
        """The features of n = `count` customers.

        Args:
            rows: n * V rows, customer by customer, and there view by view; None is missing.
            as_of_us: the time of all customers, or n times (UTC microseconds).
        """
        times = np.empty(count, np.int64)
        times[:] = as_of_us
        kept = [row or b"" for row in rows]
        starts = np.fromiter(accumulate(map(len, kept), initial=0), np.int64, len(kept) + 1)
        kept.append(bytes(PADDING))
        data = bytearray().join(kept)
        shape = (count, self._width)
        outputs = Outputs(
            np.empty(len(rows), np.uint8),
            np.empty(len(rows), np.int64),
            np.empty(shape, np.int64),
            np.empty(shape),
            np.empty(shape, np.int64),
            np.empty(shape, np.bool_),
        )
        tables = self._views, self._series, self._features
        tile = scratch_tile(len(data) // 8 + 1)
        _read_all(*tables, np.frombuffer(data, np.uint8), starts, self._skip, times, tile, outputs, new_cursor())
        return JointValues(
            outputs.status.reshape(count, len(self._views)),
            outputs.newest.reshape(count, len(self._views)),
            outputs.floats,
            outputs.integers,
            outputs.valid,
            outputs.lengths,
            data,
        )


def _add(view: Wanted, series: list[list[int]], features: list[list[int]]) -> None:
    """Append the view's series, and those of its features that are wanted."""
    names = view.plan.names
    for *rest, first, behind in view.plan.series.tolist():
        start = len(features)
        for function, window, place, scale in view.plan.features[first:behind].tolist():
            columns = [view.column + at for at, name in enumerate(view.features) if name == names[place]]
            features += [[function, window, column, scale] for column in columns]
        series.append([*rest, start, len(features)])


@jit
def _head(src, start):
    head = np.int64(0)
    for i in range(_HEAD_BYTES):
        head |= np.int64(src[start + i]) << (8 * i)
    return head


@jit
def _forget(features, first, behind, row, outputs):
    for feature in range(first, behind):
        outputs.floats[row, features[feature, 2]] = np.nan
        outputs.valid[row, features[feature, 2]] = False


@jit
def _read_all(views, series, features, src, starts, skip, times, tile, outputs, cursor):
    outputs.newest[:] = 0
    outputs.floats[:] = np.nan
    outputs.valid[:] = False
    for at in range(len(starts) - 1):
        row, view = at // len(views), at % len(views)
        as_of = times[row]
        start, end = starts[at] + skip, starts[at + 1]
        if starts[at] == end:
            outputs.status[at] = MISSING
            continue
        if start + HEADER_BYTES >= end or _head(src, start) != views[view, _HEAD]:
            outputs.status[at] = FOREIGN
            continue
        newest, ttl = read_newest(src, start), views[view, _TTL]
        outputs.newest[at] = newest
        if ttl > 0 and as_of - newest > ttl:
            outputs.status[at] = EXPIRED
            continue
        first, n_series = views[view, _FIRST_SERIES], views[view, _N_SERIES]
        if read_row(series, first, n_series, features, src, start, end, as_of, tile, row, outputs, cursor):
            outputs.status[at] = PRESENT
        else:
            outputs.status[at], outputs.newest[at] = DAMAGED, 0
            _forget(features, views[view, _FIRST_FEATURE], views[view, _BEHIND_FEATURE], row, outputs)
