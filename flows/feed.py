"""Where a flow stands in each partition that it reads: shared by its source, which polls, and its sink."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rapport.bus.protocol import START, Bus, Position, Reader, RecordBatch
from rapport.bus.share import WHOLE, Share
from rapport.events.block import CHECKED_SUFFIX

__all__ = ["Feed", "Polled"]

RECORDS = 4_000
"""Events of a raw topic that are worked on at a time."""
BLOCKS = 8
"""Blocks of a checked topic that are worked on at a time: what as many batches of a raw topic became."""


class Polled(NamedTuple):
    """Records as they were read.

    Attributes:
        batch: the records.
        after: the position before them: what a commit of them expects.
        turn: how often the partition had been rewound when they were read.
    """

    batch: RecordBatch
    after: Position
    turn: int


@dataclass(slots=True)
class _Place:
    reader: Reader | None = None
    at: Position = START
    turn: int = 0
    not_before_s: float = 0.0


class Feed:
    """Reads partitions from where their results stand.

    Args:
        bus: the bus.
        topics: the topics to read.
        start: gives the position to read a partition after; asked at the start and after each rewind.
        stop: set when the flow shall end.
        share: which of the topics' partitions; the others are read by other processes.
    """

    def __init__(
        self,
        bus: Bus,
        topics: Sequence[str],
        start: Callable[[str, int], Position],
        stop: threading.Event,
        *,
        share: Share = WHOLE,
    ) -> None:
        self.bus = bus
        self.stop = stop
        every = [(topic, partition) for topic in topics for partition in range(bus.partitions(topic))]
        self.places = share.of(every)
        self._start = start
        self._state = {place: _Place() for place in self.places}

    def poll(self, topic: str, partition: int) -> Polled | None:
        """The partition's next records; None when there are none.

        Raises:
            BusUnavailable: or what `start` raises.
        """
        place = self._state[topic, partition]
        if place.reader is None:
            if time.monotonic() < place.not_before_s:
                return None
            place.at = self._start(topic, partition)
            place.reader = self.bus.reader(topic, partition, place.at)
        batch = place.reader.poll(BLOCKS if topic.endswith(CHECKED_SUFFIX) else RECORDS)
        if batch is None:
            return None
        polled = Polled(batch, place.at, place.turn)
        place.at = batch.positions[-1]
        return polled

    def rewind(self, topic: str, partition: int, *, wait_s: float = 0.0) -> None:
        """Read the partition again from where its results stand: what was read and not committed is void."""
        place = self._state[topic, partition]
        place.turn += 1
        place.not_before_s = time.monotonic() + wait_s
        place.reader = None

    def is_void(self, polled: Polled) -> bool:
        """The partition was rewound since these records were read."""
        return polled.turn != self._state[polled.batch.topic, polled.batch.partition].turn
