"""Partitions shared out once and for all: for a bus whose groups of consumers know nothing of their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rapport.bus.protocol import START, Bus, Hop, Place, Position, Reader
from rapport.bus.share import Share
from rapport.errors import BusError, BusFull, PositionMoved

__all__ = ["FixedMembership", "commit_each"]


class FixedMembership:
    """A share of some topics' partitions, always the same. See rapport.bus.protocol.Membership."""

    def __init__(self, bus: Bus, topics: Sequence[str], share: Share) -> None:
        every = [(topic, partition) for topic in topics for partition in range(bus.partitions(topic))]
        self._bus = bus
        self._places: dict[Place, int] = dict.fromkeys(share.of(every), 0)

    def places(self) -> Mapping[Place, int]:
        return self._places

    def reader(self, topic: str, partition: int, after: Position = START) -> Reader:
        return self._bus.reader(topic, partition, after)

    def settled(self) -> bool:
        # A reader that gave nothing has read all there was.
        return True


def commit_each(bus: Bus, group: str, hops: Sequence[Hop]) -> list[BusError | None]:
    """Bus.commit_all for a bus that takes one hop at a time.

    Raises:
        BusUnavailable
    """
    found: list[BusError | None] = []
    for topic, partition, expected, position, outputs, counts in hops:
        try:
            bus.commit(group, topic, partition, expected=expected, position=position, outputs=outputs, counts=counts)
        except (PositionMoved, BusFull) as refused:
            found.append(refused)
        else:
            found.append(None)
    return found
