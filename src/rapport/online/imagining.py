"""A view's features as if one more event had been streamed now: what the current message changes, before it arrives.

The stored row is updated and read in memory, by the engine that updates and reads it in the stream. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rapport.errors import RowCorrupt
from rapport.online.marks import MARK_BYTES
from rapport.online.stored import NEWEST_AT, head_of, newest_us
from rapport.online.views import WindowedView
from rapport.windows import Column, Events, Plan, column_of, read, update

__all__ = ["EventColumns", "Imagine", "Imaginer"]

EventColumns = Mapping[str, bool | int | float | str | None]
"""Columns of one event; those that are not named are null."""
Imagine = Callable[[str, EventColumns], dict[str, float | None] | None]
"""From a view's name and an event to that view's features with the event counted."""
_ONE = np.zeros(1, np.int64)


class Imaginer:
    """Imagines events of one windowed view."""

    def __init__(self, view: WindowedView) -> None:
        plan = view.plan
        self._plan = plan
        self._head = head_of(plan)
        self._names = [f"{view.name}__{name}" for name in plan.names]
        self._nulls = {name: _column(plan, name, None) for name in plan.columns}

    def imagine(self, value: bytes | None, as_of_us: int, event: EventColumns) -> dict[str, float | None] | None:
        """The features of one customer with an event of `as_of_us` counted, by full name: numbers and booleans as
        floats, None where null and for strings.

        Args:
            value: the stored value; None when there is none.

        Returns:
            None when the value is damaged, or was written under another declaration.
        """
        if value is not None and value[MARK_BYTES:NEWEST_AT] != self._head:
            return None
        time_us = as_of_us if value is None else max(as_of_us, newest_us(value))
        given = {name: _column(self._plan, name, one) for name, one in event.items() if name in self._nulls}
        events = Events(np.array([time_us]), self._nulls | given)
        try:
            row = update(self._plan, [None if value is None else value[MARK_BYTES:]], _ONE, events)
            values = read(self._plan, row, time_us).matrix()[0].tolist()
        except RowCorrupt:
            return None
        # NaN is the one value that differs from itself
        return {name: one if one == one else None for name, one in zip(self._names, values, strict=True)}


def _column(plan: Plan, name: str, value: bool | int | float | str | None) -> Column:
    return column_of(plan.view.kinds[name], [value], plan.view.scales.get(name, 0))
