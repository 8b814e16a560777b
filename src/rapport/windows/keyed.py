"""Event columns as compiled code takes them: every value as an int64 whose order is the values' order."""

from __future__ import annotations

from collections import namedtuple
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rapport.windows.columns import Events, float_keys
from rapport.windows.compiled import jit, writable
from rapport.windows.plan import Plan
from rapport.windows.rows import PADDING
from rapport.windows.tiles import add
from rapport.windows.view import Kind

__all__: list[str] = []

Keyed = namedtuple("Keyed", ["times", "keys", "lengths", "valid", "hidden"])
"""n events: times int64[n]; keys, string lengths (int64) and validity (bool), [plan columns, n] each; hidden, bool
[series or 0, n], which events a series does not take."""

Bytes: TypeAlias = npt.NDArray[np.uint8]
_NO_BYTES = np.zeros(0, np.uint8)
_NOTHING = np.zeros((0, 0), np.bool_)


def keyed(plan: Plan, events: Events, src: Bytes, hidden: npt.NDArray[np.bool_] = _NOTHING) -> tuple[Keyed, Bytes]:
    """The plan's columns of the events, and `src` with their strings appended; a string's key is its place there."""
    columns, texts = columns_of(plan, events, len(src) - PADDING, hidden)
    if len(texts):
        src = np.concatenate([src[: len(src) - PADDING], texts, np.zeros(PADDING, np.uint8)])
    return columns, src


def columns_of(plan: Plan, events: Events, at: int, hidden: npt.NDArray[np.bool_] = _NOTHING) -> tuple[Keyed, Bytes]:
    """The plan's columns of the events, and the bytes of their strings, for a buffer in which these start at `at`."""
    shape = (len(plan.columns), len(events))
    columns = [events.columns[name] for name in plan.columns]
    lengths = np.zeros(shape, np.int64)
    keys: list[npt.NDArray[Any]] = []
    texts: list[Bytes] = []
    for i, column in enumerate(columns):
        name = plan.columns[i]
        if column.scale != plan.view.scales.get(name, 0):
            raise ValueError(f"column {name!r} has {column.scale} decimal places; view {plan.view.name!r} has others")
        if column.kind is Kind.STRING:
            data, offsets = column.values.data, column.values.offsets
            keys.append(offsets[:-1] + at)
            np.subtract(offsets[1:], offsets[:-1], out=lengths[i])
            texts.append(data)
            at += len(data)
        elif column.kind is Kind.FLOAT:
            keys.append(float_keys(np.where(column.valid, column.values, 0.0)))
        else:
            keys.append(column.values)
    valid = [column.valid for column in columns]
    table = Keyed(
        writable(events.event_time_us), _table(keys, shape, np.int64), lengths, _table(valid, shape, np.bool_), hidden
    )
    return table, texts[0] if len(texts) == 1 else np.concatenate([_NO_BYTES, *texts])


def _table(rows: list[npt.NDArray[Any]], shape: tuple[int, int], dtype: type[Any]) -> npt.NDArray[Any]:
    """Arrays of equal length below each other."""
    return np.concatenate(rows, dtype=dtype).reshape(shape) if rows else np.empty(shape, dtype)


@jit
def seen(events, column, event):
    """Whether a column's aggregations see an event; column -1 is the event itself."""
    return column < 0 or events.valid[column, event]


@jit
def taken(events, entry, event):
    """Whether a series takes an event: it sees it, and it is not hidden from it."""
    if len(events.hidden) > 0 and events.hidden[entry[7], event]:
        return False
    return seen(events, entry[0], event)


@jit
def add_event(tile, src, entry, events, event):
    """Add one event's value to a series' tile."""
    column, kind, parts = entry[0], entry[1], entry[4]
    value = events.keys[column, event] if column >= 0 else np.int64(0)
    length = events.lengths[column, event] if column >= 0 else np.int64(0)
    add(tile, src, parts, kind, events.times[event], value, length)
