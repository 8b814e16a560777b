"""Picking some of the events of a batch: needed only when a part of it has been seen before."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rapport.windows import Column, Events, Kind
from rapport.windows.columns import StringArray

__all__ = ["take"]


def take(events: Events, places: npt.NDArray[np.int64]) -> Events:
    """The events at `places` (int64[m]), in that order."""
    columns = {name: _take_column(column, places) for name, column in events.columns.items()}
    return Events(events.event_time_us[places], columns)


def _take_column(column: Column, places: npt.NDArray[np.int64]) -> Column:
    if column.kind is Kind.STRING:
        return Column(column.kind, _take_strings(column.values, places), column.valid[places])
    return Column(column.kind, column.values[places], column.valid[places])


def _take_strings(strings: StringArray, places: npt.NDArray[np.int64]) -> StringArray:
    starts = strings.offsets[places]
    lengths = strings.offsets[places + 1] - starts
    offsets = np.zeros(len(places) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    source = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)
    return StringArray(strings.data[source], offsets)
