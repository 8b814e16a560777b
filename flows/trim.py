"""Freeing what every group has read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from rapport.bus.protocol import START, Bus
from rapport.errors import BusError

__all__ = ["Trimmer", "trim_behind", "trim_older"]

_PAGE = 500
_log = logging.getLogger(__name__)


def trim_behind(bus: Bus, topic: str, partition: int, groups: Sequence[str]) -> int:
    """Drop the records of a partition that all `groups` have read; returns how many.

    Raises:
        BusUnavailable
    """
    slowest = min(bus.position(group, topic, partition) for group in groups)
    return bus.trim(topic, partition, slowest) if slowest > START else 0


def trim_older(bus: Bus, topic: str, partition: int, before_us: int, groups: Sequence[str]) -> int:
    """Drop the records of a partition that arrived before a system time, microseconds, and that all `groups` have read;
    returns how many.

    Raises:
        BusUnavailable
    """
    reader, end = bus.reader(topic, partition), START
    while batch := reader.poll(_PAGE):
        old = sum(arrival_us < before_us for arrival_us in batch.arrivals_us)
        end = batch.positions[old] if old < len(batch) else batch.positions[-1]
        if old < len(batch):
            break
    ends = [end, *(bus.position(group, topic, partition) for group in groups)]
    return bus.trim(topic, partition, min(ends)) if min(ends) > START else 0


class Trimmer:
    """Trims partitions now and then, on a bus that does not forget by itself.

    Args:
        bus: the bus.
        places: gives the topics and partitions, which may change.
        groups: for each topic, all groups that read it.
        every_s: time between two trims, seconds.
    """

    def __init__(
        self,
        bus: Bus,
        places: Callable[[], Collection[tuple[str, int]]],
        groups: Mapping[str, Sequence[str]],
        *,
        every_s: float = 2.0,
    ) -> None:
        self._bus = bus
        self._places = places
        self._groups = groups
        self._every_s = every_s
        self._next_s = time.monotonic() + every_s

    def tick(self) -> None:
        """Trim when it is time; a bus that does not answer is left for the next time."""
        if self._bus.keeps_read or time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + self._every_s
        try:
            for topic, partition in self._places():
                trim_behind(self._bus, topic, partition, self._groups[topic])
        except BusError as error:
            _log.info("trimming was put off: %s", error)
