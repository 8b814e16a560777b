"""Up to which time everything that happened has been seen: what fires because nothing happened has to wait for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flows.ingest import GROUP as INGEST
from rapport.bus.protocol import Bus, Position
from rapport.events.block import CHECKED_SUFFIX

__all__ = ["Horizon"]

_NEVER = -1


class Horizon:
    """Follows the partitions of some checked topics.

    Of a partition where nothing waits, neither to be checked nor to be read, all is seen up to now. Of one where
    something waits, up to the arrival of what was read last, for records of a partition arrive in order.

    Args:
        bus: the bus.
        places: the partitions of checked topics that are read.
    """

    def __init__(self, bus: Bus, places: Sequence[tuple[str, int]]) -> None:
        self._bus = bus
        self._arrived = dict.fromkeys(places, _NEVER)

    def reached(self, topic: str, partition: int, arrival_us: int) -> None:
        """Everything of the partition that arrived before this, by the world's clock, has been taken in."""
        self._arrived[topic, partition] = max(arrival_us, self._arrived[topic, partition])

    def at(self, now_us: int, taken: Callable[[str, int], Position]) -> int:
        """The time up to which all that arrived has been seen, microseconds of the world's clock.

        Args:
            now_us: the world's time, looked up before this is called.
            taken: gives the position up to which a partition has been taken in.

        Raises:
            BusUnavailable, StoreUnavailable
        """
        busy = (arrived for place, arrived in self._arrived.items() if not self._is_idle(*place, taken(*place)))
        return min(now_us, *(arrived - 1 for arrived in busy), now_us)

    def _is_idle(self, topic: str, partition: int, taken: Position) -> bool:
        raw = topic.removesuffix(CHECKED_SUFFIX)
        # In this order: what has been checked is behind `taken` when it is looked for there.
        unchecked = self._bus.reader(raw, partition, self._bus.position(INGEST, raw, partition)).lag()
        return not unchecked and not self._bus.reader(topic, partition, taken).lag()
