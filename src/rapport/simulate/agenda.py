"""What happens next in the simulated world: an agenda in order of time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

__all__ = ["Agenda", "Entry"]


class Entry(NamedTuple):
    """Something to do at a time: `action(time_us, *args)`. Equal times keep the order in which they were noted."""

    time_us: int
    number: int
    action: Callable[..., None]
    args: tuple[Any, ...]


class Agenda:
    """A heap of entries."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._numbers = count()

    def note(self, time_us: float, action: Callable[..., None], *args: Any) -> None:
        heapq.heappush(self._heap, Entry(int(time_us), next(self._numbers), action, args))

    def next_us(self) -> int | None:
        """When the next entry is due; None when there is none."""
        return self._heap[0].time_us if self._heap else None

    def pop(self) -> Entry:
        return heapq.heappop(self._heap)
