"""Up to when the archive is complete: a decision later than that may have used events that are still on their way."""

from __future__ import annotations

from contextlib import closing

from rapport.clock import Clock, WorldClock
from rapport.errors import BusError, ServiceError
from rapport.events.schema import TOPICS
from rapport.settings import Settings

__all__ = ["settled_until_us"]

_GROUP = "archive"


def settled_until_us(settings: Settings, clock: Clock) -> int | None:
    """The world's time before which every event that could be applied is archived; None when the bus does not answer,
    so that nobody can know.

    An event can be applied once it is on a checked topic. So it is the arrival of the first checked event that the
    archive has not taken yet, or now when it has taken all.
    """
    from rapport.bus import open_bus

    until_us = clock.now_us()
    try:
        with closing(open_bus(settings)) as bus:
            for topic in (f"{topic}.checked" for topic in TOPICS):
                for partition in range(bus.partitions(topic)):
                    waiting = bus.reader(topic, partition, bus.position(_GROUP, topic, partition)).poll(1)
                    if waiting is not None:
                        until_us = min(until_us, _world_us(clock, waiting.arrivals_us[0]))
    except (BusError, ServiceError):
        return None
    return until_us


def _world_us(clock: Clock, system_us: int) -> int:
    return clock.at(system_us) if isinstance(clock, WorldClock) else system_us
