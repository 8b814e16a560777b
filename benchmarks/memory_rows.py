"""Rows of many customers in memory: the engine's packed update, without a store around it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rapport.windows import Events, Plan
from rapport.windows.packed import Workspace, pack_events, sort_by_row, update_packed
from rapport.windows.rows import PADDING

__all__ = ["MemoryRows"]


class MemoryRows:
    """One row for each of a fixed number of customers, all in one buffer; a micro-batch writes the next buffer.

    The view's columns must not be strings.
    """

    def __init__(self, plan: Plan, customers: int) -> None:
        self._plan = plan
        self._src: npt.NDArray[np.uint8] = np.zeros(PADDING, np.uint8)
        self._starts = np.zeros(customers + 1, np.int64)
        self._now, self._next = Workspace(), Workspace()

    def add(self, customer_of_event: npt.NDArray[np.int64], events: Events) -> None:
        """Add n events; int64[n] says whose they are."""
        count = len(self._starts) - 1
        order, groups = sort_by_row(customer_of_event, events.event_time_us, count)
        given = pack_events(self._plan, events)
        out, starts = update_packed(self._plan, self._src, self._starts, order, groups, given, self._next)
        end = int(starts[-1])
        out[end : end + PADDING] = 0
        self._src, self._starts = out[: end + PADDING], starts
        self._now, self._next = self._next, self._now

    def rows(self) -> list[bytes]:
        """Every customer's row; b"" where there is none."""
        return [self._src[a:b].tobytes() for a, b in pairwise(self._starts.tolist())]
