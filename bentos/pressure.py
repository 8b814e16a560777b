"""Back-pressure: producers are told to come back later while ingest is behind, before anything is full."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from math import ceil

from rapport.bus.protocol import Bus
from rapport.errors import BusError, BusUnavailable
from rapport.events.schema import TOPICS

__all__ = ["Behind", "Pressure"]

_GROUP = "ingest"
_LOOK_EVERY_S = 0.25
_SHARE_OF_LOOKING = 0.1
"""Most of the time that is spent on looking."""
_REMEMBERED_S = 60.0
_UNKNOWN_S = 5
_GROWING_S = 30
_LONGEST_S = 60


class Behind(Exception):  # noqa: N818 - a state of the bus
    """More events wait for ingest than are allowed.

    Attributes:
        lag: how many.
    """

    def __init__(self, lag: int) -> None:
        super().__init__(f"{lag:,} events wait for ingest")
        self.lag = lag


class Pressure:
    """Knows how far ingest is behind, by looking at most four times a second, when somebody publishes. For any thread.

    Args:
        bus: gives the bus; may raise what opening it raises.
        max_lag: events that may wait.
        now_s: a monotonic clock, seconds.
    """

    def __init__(self, bus: Callable[[], Bus], max_lag: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self.max_lag = max_lag
        self._now_s = now_s
        self._lock = threading.Lock()
        self._next_look_s = 0.0
        self._since = 0
        self._seen: deque[tuple[float, int]] = deque()
        self._failed: BusError | None = None

    @property
    def lag(self) -> int:
        """Events that wait: as last seen, and what was published here since."""
        return (self._seen[-1][1] if self._seen else 0) + self._since

    def admit(self, events: int) -> None:
        """Count events that are about to be published. Blocks on the bus.

        Raises:
            Behind: too many wait; these were not counted.
            BusUnavailable
        """
        with self._lock:
            if self._now_s() >= self._next_look_s:
                self._look()
            if self._failed is not None:
                raise BusUnavailable(str(self._failed)) from self._failed
            if self.lag > self.max_lag:
                raise Behind(self.lag)
            self._since += events

    def retry_after_s(self) -> int:
        """When to come back: when the lag, shrinking as it has lately, is a tenth below what is allowed."""
        with self._lock:
            if len(self._seen) < 2:
                return _UNKNOWN_S
            (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
            shrunk = first - last
            if shrunk <= 0 or last_s <= first_s:
                return _GROWING_S
            too_many = max(0.0, self.lag - 0.9 * self.max_lag)
            return min(_LONGEST_S, max(1, ceil(too_many * (last_s - first_s) / shrunk)))

    def _look(self) -> None:
        started_s = self._now_s()
        self._failed = None
        try:
            lag = _lag(self._bus())
        except BusError as error:
            # Whoever waits behind this one is told at once, and does not wait for an answer of his own.
            self._failed = error
            self._next_look_s = self._now_s() + _LOOK_EVERY_S
            return
        now_s = self._now_s()
        self._next_look_s = now_s + max(_LOOK_EVERY_S, (now_s - started_s) / _SHARE_OF_LOOKING)
        self._remember(now_s, lag)

    def _remember(self, now_s: float, lag: int) -> None:
        if self._seen and lag > self._seen[-1][1]:
            # How fast it shrinks is what it does since it last grew.
            self._seen.clear()
        while self._seen and now_s - self._seen[0][0] > _REMEMBERED_S:
            self._seen.popleft()
        self._seen.append((now_s, lag))
        self._since = 0


def _lag(bus: Bus) -> int:
    return sum(
        bus.reader(topic, partition, bus.position(_GROUP, topic, partition)).lag()
        for topic in TOPICS
        for partition in range(bus.partitions(topic))
    )
