"""Freeing what every group has read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from rapport.bus.protocol import START, Bus
from rapport.errors import BusError

__all__ = ["Trimmer", "trim_behind"]

_log = logging.getLogger(__name__)


def trim_behind(bus: Bus, topic: str, partition: int, groups: Sequence[str]) -> int:
    """Drop the records of a partition that all `groups` have read; returns how many.

    Raises:
        BusUnavailable
    """
    slowest = min(bus.position(group, topic, partition) for group in groups)
    return bus.trim(topic, partition, slowest) if slowest > START else 0


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
