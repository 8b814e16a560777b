"""Some of the values of columns, by their places."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rapport.windows import Column, Events, Kind, StringArray

__all__ = ["pick", "pick_events"]

Places = npt.NDArray[np.int64]


def pick_events(events: Events, places: Places) -> Events:
    """The events at `places` (int64[m]), in that order."""
    columns = {name: pick(column, places) for name, column in events.columns.items()}
    return Events(events.event_time_us[places], columns)


def pick(column: Column, places: Places) -> Column:
    """The values at `places` (int64[m]), in that order."""
    strings = column.kind is Kind.STRING
    values = _strings(column.values, places) if strings else column.values[places]
    return Column(column.kind, values, column.valid[places], column.scale)


def _strings(strings: StringArray, places: Places) -> StringArray:
    starts = strings.offsets[places]
    lengths = strings.offsets[places + 1] - starts
    offsets = np.zeros(len(places) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    source = np.arange(offsets[-1], dtype=np.int64) + np.repeat(starts - offsets[:-1], lengths)
    return StringArray(strings.data[source], offsets)
