"""Where the features of a topic begin: noted in the online store before the first of its events is applied.

A view that is new, or whose rows were lost, starts with rows that lack what was before; the note says up to which
position that is, and `rapport rebuild` adds it from the archive.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from flows.declared import Declared
from rapport.archive import Archive, archive_writer
from rapport.bus.protocol import START, Bus, Position, RecordBatch
from rapport.events.block import CHECKED_SUFFIX, places_of_rows
from rapport.online import Keeping, Layouts

__all__ = ["Beginning"]

_LAST = 2**63 - 1


class Beginning:
    """Gives the position to read a partition after; the first time, it notes how the topic's views are kept.

    Args:
        bus: the bus.
        archive: what was before, if anything was.
        group: the group whose positions say what has been applied.
        declared: the views.
        client: the online store's Redis.
        world_us: the world's time at a system time, microseconds.
    """

    def __init__(
        self,
        bus: Bus,
        archive: Archive,
        group: str,
        declared: Declared,
        client: redis.Redis,
        world_us: Callable[[int], int],
    ) -> None:
        self._bus = bus
        self._archive = archive
        self._group = group
        self._declared = declared
        self._layouts = Layouts(client, declared.project, declared.all_plans())
        self._keeping = Keeping(client, declared.project)
        self._world_us = world_us
        self._begun: set[str] = set()

    def start(self, topic: str, partition: int) -> Position:
        """The position to read a partition of a checked topic after.

        Raises:
            BusUnavailable, StoreUnavailable, ArchiveError
        """
        if topic not in self._begun:
            self._begin(topic)
            self._begun.add(topic)
        return self._bus.position(self._group, topic, partition)

    def _begin(self, topic: str) -> None:
        plans = self._declared.plans.get(topic.removesuffix(CHECKED_SUFFIX))
        if not plans:
            return
        self._layouts.register()
        now_us = time.time_ns() // 1_000
        # A simulated world may be ahead of the system's clock; no event is dated after both.
        now_us = max(now_us, self._world_us(now_us))
        begun = {partition: self._first(topic, partition) for partition in range(self._bus.partitions(topic))}
        self._keeping.begin(plans, begun, now_us)

    def _first(self, topic: str, partition: int) -> Position:
        """The position after which the flow will see every event; START: there was none before."""
        position = self._bus.position(self._group, topic, partition)
        if position == START:
            first = self._bus.reader(topic, partition, START).poll(1)
            name = topic.removesuffix(CHECKED_SUFFIX)
            position = _before(first) if first else self._archive.position(name, archive_writer(partition))
            if not self._archive.has_events(name, partition, position):
                return START
        return position


def _before(block: RecordBatch) -> Position:
    """Before the rows of a block, and not before those of the one in front of it; see rapport.events.block."""
    hi, lo = (int(part[0]) for part in places_of_rows(block.positions, block.values))
    return Position(hi, lo - 1) if lo else Position(hi - 1, 0)
