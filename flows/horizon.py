"""Up to which time everything that happened has been seen: what fires because nothing happened has to wait for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flows.ingest import GROUP as INGEST
from rapport.bus.protocol import Bus, Position
from rapport.events.block import CHECKED_SUFFIX

__all__ = ["Horizon"]

_NEVER = -1


class Horizon:
    """Follows some topics, in all their partitions, whoever reads them.

    Of a partition where nothing waits, neither to be checked nor to be read, all is seen up to now. Of one where
    something waits, up to the arrival of what was read last, for records of a partition arrive in order.

    Args:
        bus: the bus.
        topics: the checked topics that are read.
    """

    def __init__(self, bus: Bus, topics: Sequence[str]) -> None:
        self._bus = bus
        self._topics = topics
        self._arrived: dict[tuple[str, int], int] = {}

    def reached(self, topic: str, partition: int, arrival_us: int) -> None:
        """Everything of the partition that arrived before this, by the world's clock, has been taken in."""
        self._arrived[topic, partition] = max(arrival_us, self._arrived.get((topic, partition), _NEVER))

    def at(self, now_us: int, taken: Callable[[str, int], Position]) -> int:
        """The time up to which all that arrived has been seen, microseconds of the world's clock.

        Args:
            now_us: the world's time, looked up before this is called.
            taken: gives the position up to which a partition has been taken in.

        Raises:
            BusUnavailable, StoreUnavailable
        """
        horizon_us = now_us
        for topic in self._topics:
            raw = topic.removesuffix(CHECKED_SUFFIX)
            for partition in range(max(self._bus.partitions(raw), self._bus.partitions(topic))):
                if self._waits_in(raw, topic, partition, taken):
                    horizon_us = min(horizon_us, self._arrived.get((topic, partition), _NEVER) - 1)
        return horizon_us

    def _waits_in(self, raw: str, topic: str, partition: int, taken: Callable[[str, int], Position]) -> bool:
        bus = self._bus
        # In this order: what has been checked is behind `taken` when it is looked for there.
        if partition < bus.partitions(raw) and bus.reader(raw, partition, bus.position(INGEST, raw, partition)).lag():
            return True
        return partition < bus.partitions(topic) and bool(bus.reader(topic, partition, taken(topic, partition)).lag())
