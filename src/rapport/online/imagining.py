"""A view's features as if one more event had been streamed now: what the current message changes, before it arrives.

The stored row is updated and read in memory, by the engine that updates and reads it in the stream. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rapport.errors import RowCorrupt
from rapport.online.marks import MARK_BYTES
from rapport.online.stored import NEWEST_AT, head_of, newest_us
from rapport.online.views import WindowedView
from rapport.windows import Events, column_of, read, update

__all__ = ["EventColumns", "imagine"]

EventColumns = Mapping[str, bool | int | float | str | None]

_ONE = np.zeros(1, np.int64)


def imagine(
    view: WindowedView, value: bytes | None, as_of_us: int, columns: EventColumns
) -> dict[str, float | None] | None:
    """The features of one customer with an event of `as_of_us` counted, by full name: numbers and booleans as floats,
    None where null and for strings.

    Args:
        value: the stored value; None when there is none.
        columns: the event's columns; the others are null.

    Returns:
        None when the value is damaged, or was written under another declaration.
    """
    plan = view.plan
    if value is not None and value[MARK_BYTES:NEWEST_AT] != head_of(plan):
        return None
    time_us = as_of_us if value is None else max(as_of_us, newest_us(value))
    kinds = plan.view.kinds
    event = {name: column_of(kinds[name], [columns.get(name)], plan.view.scales.get(name, 0)) for name in plan.columns}
    try:
        row = update(plan, [None if value is None else value[MARK_BYTES:]], _ONE, Events(np.array([time_us]), event))
        values = read(plan, row, time_us).matrix()[0].tolist()
    except RowCorrupt:
        return None
    # NaN is the one value that differs from itself
    return {
        f"{view.name}__{name}": value if value == value else None
        for name, value in zip(plan.names, values, strict=True)
    }
