"""Back-pressure: producers are told to come back later while ingest is behind, before anything is full.

Each topic is looked at by itself: a surge of clicks must not keep out what customers say.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from rapport.bus.protocol import Bus
from rapport.errors import BusError, BusUnavailable
from rapport.events.schema import TOPICS

__all__ = ["Behind", "Pressure"]

_GROUP = "ingest"
_LOOK_EVERY_S = 0.25
_SHARE_OF_LOOKING = 0.1
"""Most of the time that is spent on looking."""
_REMEMBERED_S = 30.0
_UNKNOWN_S = 2
_HANGING_S = 30
_LONGEST_TURN_S = 5.0
"""Ingest is done with thousands of events at once: in less time than this, nothing done says nothing."""
_LONGEST_S = 60


class Behind(Exception):  # noqa: N818 - a state of the bus
    """More events of a topic wait for ingest than are allowed.

    Attributes:
        topic: the topic.
        lag: how many.
        after_s: seconds after which to come back.
    """

    def __init__(self, topic: str, lag: int, after_s: int) -> None:
        super().__init__(f"{lag:,} events of {topic} wait for ingest")
        self.topic = topic
        self.lag = lag
        self.after_s = after_s


class _Look(NamedTuple):
    """What was seen once.

    Attributes:
        at_s: when.
        lag: events that waited.
        admitted: events that had been admitted here until then.
    """

    at_s: float
    lag: int
    admitted: int


@dataclass(slots=True)
class _Topic:
    """How far ingest is behind in one topic: looks since something waited, and what was admitted here, in all."""

    looks: Sequence[_Look] = ()
    """Replaced, never changed: they are read without a lock."""
    admitted: int = 0

    @property
    def lag(self) -> int:
        """Events that wait: as last seen, and what was admitted here since."""
        looks = self.looks
        return looks[-1].lag + self.admitted - looks[-1].admitted if looks else self.admitted

    def remember(self, now_s: float, lag: int) -> None:
        # How fast ingest is, is what it does while there is something to do.
        before = [look for look in self.looks if now_s - look.at_s <= _REMEMBERED_S] if lag else []
        self.looks = (*before, _Look(now_s, lag, self.admitted))

    def after_s(self, max_lag: int) -> int:
        """When a tenth of what may wait will be free, as fast as ingest has been lately."""
        looks = self.looks
        if not looks:
            return _UNKNOWN_S
        first, last = looks[0], looks[-1]
        done = first.lag + last.admitted - first.admitted - last.lag
        if done <= 0:
            return _UNKNOWN_S if last.at_s - first.at_s < _LONGEST_TURN_S else _HANGING_S
        too_many = max(0.0, self.lag - 0.9 * max_lag)
        return min(_LONGEST_S, max(1, ceil(too_many * (last.at_s - first.at_s) / done)))


class Pressure:
    """Knows how far ingest is behind, by looking at most four times a second, when somebody publishes. For any thread.

    Args:
        bus: gives the bus; may raise what opening it raises.
        max_lag: events of a topic that may wait.
        now_s: a monotonic clock, seconds.
    """

    def __init__(self, bus: Callable[[], Bus], max_lag: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self.max_lag = max_lag
        self._now_s = now_s
        self._lock = threading.Lock()
        self._next_look_s = 0.0
        self._topics = {topic: _Topic() for topic in TOPICS}
        self._failed: BusError | None = None

    @property
    def lag(self) -> int:
        """Events that wait, of all topics."""
        return sum(topic.lag for topic in self._topics.values())

    def foresee(self, events: Mapping[str, int]) -> None:
        """Refuse what `admit` would refuse by what was last seen. Never blocks: for a look before the work on them.

        Raises:
            Behind
        """
        if self._now_s() < self._next_look_s:
            self._check(events)

    def admit(self, events: Mapping[str, int]) -> None:
        """Count events that are about to be published, by topic. Blocks on the bus.

        Raises:
            Behind: too many wait; none of these were counted.
            BusUnavailable
        """
        with self._lock:
            if self._now_s() >= self._next_look_s:
                self._look()
            if self._failed is not None:
                raise BusUnavailable(str(self._failed)) from self._failed
            self._check(events)
            for topic, count in events.items():
                if topic in self._topics:
                    self._topics[topic].admitted += count

    def retry_after_s(self) -> int:
        """When to come back to a bus that is full: as the topic says that is furthest behind."""
        return max(self._topics.values(), key=lambda topic: topic.lag).after_s(self.max_lag)

    def _check(self, events: Mapping[str, int]) -> None:
        for name in events:
            topic = self._topics.get(name)
            if topic is not None and topic.lag > self.max_lag:
                raise Behind(name, topic.lag, topic.after_s(self.max_lag))

    def _look(self) -> None:
        started_s = self._now_s()
        self._failed = None
        try:
            lags = _lags(self._bus())
        except BusError as error:
            # Whoever waits behind this one is told at once, and does not wait for an answer of his own.
            self._failed = error
            self._next_look_s = self._now_s() + _LOOK_EVERY_S
            return
        now_s = self._now_s()
        self._next_look_s = now_s + max(_LOOK_EVERY_S, (now_s - started_s) / _SHARE_OF_LOOKING)
        for name, topic in self._topics.items():
            topic.remember(now_s, lags[name])


def _lags(bus: Bus) -> Mapping[str, int]:
    lags = Counter[str]()
    for topic in TOPICS:
        for partition in range(bus.partitions(topic)):
            lags[topic] += bus.reader(topic, partition, bus.position(_GROUP, topic, partition)).lag()
    return lags
