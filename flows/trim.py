"""Freeing what every group has read."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

from rapport.bus.protocol import START, Bus
from rapport.errors import BusError

__all__ = ["Trimmer", "trim_behind"]

_log = logging.getLogger(__name__)


def trim_behind(bus: Bus, topic: str, groups: Sequence[str]) -> int:
    """Drop the records of a topic that all `groups` have read; returns how many.

    Raises:
        BusUnavailable
    """
    dropped = 0
    for partition in range(bus.partitions(topic)):
        slowest = min(bus.position(group, topic, partition) for group in groups)
        if slowest > START:
            dropped += bus.trim(topic, partition, slowest)
    return dropped


class Trimmer:
    """Trims topics now and then.

    Args:
        bus: the bus.
        groups: for each topic, all groups that read it.
        every_s: time between two trims, seconds.
    """

    def __init__(self, bus: Bus, groups: Mapping[str, Sequence[str]], *, every_s: float = 10.0) -> None:
        self._bus = bus
        self._groups = groups
        self._every_s = every_s
        self._next_s = time.monotonic() + every_s

    def tick(self) -> None:
        """Trim when it is time; a bus that does not answer is left for the next time."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + self._every_s
        try:
            for topic, groups in self._groups.items():
                trim_behind(self._bus, topic, groups)
        except BusError as error:
            _log.info("trimming was put off: %s", error)
