"""Whether Kafka's topics may take more: consumers that fall behind slow the producers down, not retention."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapport.bus.kafka_cluster import KafkaCluster
from rapport.bus.keys import partition_for
from rapport.bus.placed import offset_after
from rapport.bus.protocol import Message, Place
from rapport.errors import BusFull

__all__ = ["Room"]

_KNOWN_FOR_S = 10.0
_FULL_KNOWN_FOR_S = 0.5


@dataclass(slots=True)
class _Known:
    """What was unread in a partition when it was looked at, and what this process has added since."""

    unread: int
    looked_s: float
    added: int = 0


class Room:
    """Counts what the slowest group of each partition has not read. Kafka is asked seldom while there is much room.

    Args:
        cluster: the cluster.
        limit: most unread records of a partition.
        groups: the groups that read each topic; for others, all records count.
    """

    def __init__(self, cluster: KafkaCluster, limit: int, groups: Mapping[str, Sequence[str]]) -> None:
        self._cluster = cluster
        self._limit = limit
        self._groups = groups
        self._lock = threading.Lock()
        self._known: dict[Place, _Known] = {}

    def check(self, messages: Sequence[Message]) -> None:
        """
        Raises:
            BusFull: a partition has no room for its part of the messages.
            BusUnavailable
        """
        coming = self._by_place(messages)
        now_s = time.monotonic()
        with self._lock:
            doubtful = [place for place, more in coming.items() if self._doubtful(place, more, now_s)]
        if doubtful:
            self._look(doubtful)
        with self._lock:
            for place, more in coming.items():
                known = self._known[place]
                unread = known.unread + known.added
                if unread + more > self._limit:
                    raise BusFull(
                        f"{place[0]}/{place[1]} holds {unread} unread records, and {self._limit} are allowed: wait "
                        "until its consumers have caught up (`rapport status` shows their lag), or raise "
                        "RAPPORT_BUS_MAX_LENGTH"
                    )

    def added(self, messages: Sequence[Message]) -> None:
        """These were published."""
        with self._lock:
            for place, more in self._by_place(messages).items():
                if place in self._known:
                    self._known[place].added += more

    def forget(self, place: Place) -> None:
        """Look at a place again before it is next written to."""
        with self._lock:
            self._known.pop(place, None)

    def _by_place(self, messages: Iterable[Message]) -> Counter[Place]:
        partitions = self._cluster.partitions
        return Counter((message.topic, partition_for(message, partitions)) for message in messages)

    def _doubtful(self, place: Place, more: int, now_s: float) -> bool:
        known = self._known.get(place)
        if known is None or now_s - known.looked_s > _KNOWN_FOR_S:
            return True
        total = known.unread + known.added + more
        if total > self._limit:
            return True
        plenty = total < self._limit // 2 and known.added < self._limit // 10
        return not plenty and now_s - known.looked_s > _FULL_KNOWN_FOR_S

    def _look(self, places: Sequence[Place]) -> None:
        extents = self._cluster.extents(places)
        read = {place: extent.first for place, extent in extents.items()}
        slowest: dict[Place, int] = {}
        for group in {group for topic, _ in places for group in self._groups.get(topic, ())}:
            theirs = [place for place in places if group in self._groups.get(place[0], ())]
            positions = self._cluster.positions(group, theirs)
            for place in theirs:
                at = offset_after(positions[place]) if place in positions else 0
                slowest[place] = min(at, slowest.get(place, at))
        now_s = time.monotonic()
        with self._lock:
            for place, extent in extents.items():
                unread = extent.end - max(read[place], slowest.get(place, 0))
                self._known[place] = _Known(unread, now_s)
