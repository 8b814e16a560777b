"""Whether the features are being kept up to date: events that wait while no consumer moves make every value old."""

from __future__ import annotations

from dataclasses import dataclass, field

from rapport.bus.protocol import START, Bus, Position
from rapport.events.schema import TOPICS

__all__ = ["STALLED_AFTER_S", "Freshness"]

STALLED_AFTER_S = 10.0
_HOPS = tuple(("ingest", topic) for topic in TOPICS) + tuple(("features", f"{topic}.checked") for topic in TOPICS)


@dataclass(slots=True)
class _Seen:
    position: Position = START
    moved_at_s: float = 0.0


@dataclass(slots=True)
class Freshness:
    """Watches the consumers between an event and its features.

    Attributes:
        stale: records wait in a partition whose consumer has not moved for STALLED_AFTER_S.
    """

    stale: bool = False
    _seen: dict[tuple[str, str, int], _Seen] = field(default_factory=dict)

    def check(self, bus: Bus, now_s: float) -> None:
        """Look at every hop; `now_s` is monotonic. Blocks on the bus.

        Raises:
            BusUnavailable
        """
        stalled = [
            self._stalled(bus, group, topic, partition, now_s)
            for group, topic in _HOPS
            for partition in range(bus.partitions(topic))
        ]
        self.stale = any(stalled)

    def _stalled(self, bus: Bus, group: str, topic: str, partition: int, now_s: float) -> bool:
        position = bus.position(group, topic, partition)
        seen = self._seen.setdefault((group, topic, partition), _Seen(position, now_s))
        waiting = bus.reader(topic, partition, position).lag()
        if not waiting or position != seen.position:
            seen.position, seen.moved_at_s = position, now_s
            return False
        return now_s - seen.moved_at_s > STALLED_AFTER_S
