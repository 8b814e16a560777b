"""Where a flow stands in each partition that it reads: shared by its source, which polls, and its sink."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rapport.bus.protocol import START, Bus, Place, Position, Reader, RecordBatch
from rapport.bus.share import WHOLE, Share
from rapport.errors import BusError
from rapport.events.block import CHECKED_SUFFIX
from rapport.metrics.measures import Measures

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

    Which ones, the bus says, and may say otherwise later: what was read of a partition that was taken away is void.

    Args:
        bus: the bus.
        group: the group of consumers that the flow is one of.
        topics: the topics to read.
        start: gives the position to read a partition after; asked at the start and after each rewind.
        stop: set when the flow shall end.
        share: which of the topics' partitions; the others are read by other processes.
        measures: of the process; the group's stage is the feed's `stage`.
        foretold: read what this process will commit before it is committed, where the bus can have that.
    """

    def __init__(
        self,
        bus: Bus,
        group: str,
        topics: Sequence[str],
        start: Callable[[str, int], Position],
        stop: threading.Event,
        *,
        share: Share = WHOLE,
        measures: Measures | None = None,
        foretold: bool = False,
    ) -> None:
        self.bus = bus
        self.stage = (measures or Measures()).stage(group)
        self.stop = stop
        self.unfinished: Callable[[], bool] | None = None
        """Whether what was read may still have to be read again; None where it is committed before more is read."""
        self._membership = bus.join(group, topics, share, foretold=foretold)
        self._terms: Mapping[Place, int] = {}
        self._start = start
        self._state: dict[Place, _Place] = {}

    @property
    def places(self) -> list[Place]:
        """The topics and partitions that are read here now.

        Raises:
            BusError: none can be read, and a restart would not cure it.
        """
        self._look()
        return list(self._terms)

    def poll(self, topic: str, partition: int) -> Polled | None:
        """The partition's next records; None when there are none.

        Raises:
            BusUnavailable: or what `start` raises.
        """
        self._look()
        if (topic, partition) not in self._terms:
            return None
        place = self._state[topic, partition]
        if place.reader is None:
            if time.monotonic() < place.not_before_s:
                return None
            place.at = self._start(topic, partition)
            place.reader = self._membership.reader(topic, partition, place.at)
        most = BLOCKS if topic.endswith(CHECKED_SUFFIX) else RECORDS
        batch = place.reader.poll(most)
        if batch is None:
            return None
        polled = Polled(batch, place.at, place.turn)
        place.at = batch.positions[-1]
        return polled

    def rewind(self, topic: str, partition: int, *, wait_s: float = 0.0) -> None:
        """Read the partition again from where its results stand: what was read and not committed is void."""
        self.stage.rewound(topic)
        place = self._state[topic, partition]
        place.turn += 1
        place.not_before_s = time.monotonic() + wait_s
        place.reader = None

    def is_void(self, polled: Polled) -> bool:
        """The partition was rewound, or taken away, since these records were read."""
        try:
            self._look()
        except BusError:
            # The source ends the flow for it.
            return True
        return polled.turn != self._state[polled.batch.topic, polled.batch.partition].turn

    def exhausted(self) -> bool:
        """Whether all that was on the bus a moment ago has been read, as far as it may be read now.

        Raises:
            BusUnavailable
        """
        self._look()
        if self.unfinished is not None and self.unfinished():
            return False
        now_s = time.monotonic()
        here = [self._state[place] for place in self._terms]
        read = all(place.reader is not None or place.not_before_s > now_s for place in here)
        return read and self._membership.settled()

    def _look(self) -> None:
        """Take note of partitions that came and went."""
        terms = self._membership.places()
        if terms is self._terms:
            return
        for place in self._terms.keys() | terms.keys():
            if terms.get(place) != self._terms.get(place):
                state = self._state.setdefault(place, _Place())
                state.turn += 1
                state.reader = None
        self._terms = terms
