"""Firings off the bus, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from rapport.bus.protocol import Bus
from rapport.triggers.file import TRIGGERS_TOPIC
from rapport.triggers.firing import Firing

__all__ = ["recent_firings"]

_PAGE = 1_000


def recent_firings(bus: Bus, limit: int, trigger: str = "") -> list[Firing]:
    """The last firings that the bus still has, newest first; of one trigger, or of all.

    Raises:
        BusUnavailable
    """
    found = [firing for firing in _all(bus) if trigger in ("", firing.trigger)]
    return sorted(found, key=lambda firing: firing.fired_at, reverse=True)[:limit]


def _all(bus: Bus) -> Iterator[Firing]:
    for partition in range(bus.partitions(TRIGGERS_TOPIC)):
        reader = bus.reader(TRIGGERS_TOPIC, partition)
        while batch := reader.poll(_PAGE):
            for value in batch.values:
                try:
                    yield msgspec.json.decode(value, type=Firing)
                except msgspec.MsgspecError:
                    continue
