"""A bus in memory, with the behaviour of a real one: it passes the same conformance tests."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rapport.bus.keys import partition_for
from rapport.bus.membership import FixedMembership, commit_each
from rapport.bus.protocol import START, Hop, Message, Position, RecordBatch
from rapport.bus.share import WHOLE, Share
from rapport.clock import Clock, SystemClock
from rapport.errors import BusError, BusFull, PositionMoved

__all__ = ["MemoryBus"]


@dataclass(frozen=True, slots=True)
class _Record:
    position: Position
    arrival_us: int
    message: Message


class MemoryBus:
    """See rapport.bus.protocol.Bus. Positions are (offset from 1, 0). Safe for threads."""

    keeps_read = False
    one_step = False
    foretells = False

    def __init__(self, *, partitions: int = 1, max_length: int = 5_000_000, clock: Clock | None = None) -> None:
        self._partitions = partitions
        self._max_length = max_length
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._grown = threading.Condition(self._lock)
        self._records: dict[tuple[str, int], list[_Record]] = {}
        self._ends: Counter[tuple[str, int]] = Counter()
        self._positions: dict[tuple[str, str, int], Position] = {}
        self._counts: Counter[str] = Counter()

    def partitions(self, topic: str) -> int:
        return self._partitions

    def join(
        self, group: str, topics: Sequence[str], share: Share = WHOLE, *, foretold: bool = False
    ) -> FixedMembership:
        return FixedMembership(self, topics, share)

    def publish(self, messages: Sequence[Message]) -> None:
        with self._lock:
            self._append(messages)

    def reader(self, topic: str, partition: int, after: Position = START) -> _MemoryReader:
        return _MemoryReader(self, topic, partition, after)

    def wait(self, seconds: float) -> None:
        with self._grown:
            self._grown.wait(seconds)

    def position(self, group: str, topic: str, partition: int) -> Position:
        return self._positions.get((group, topic, partition), START)

    def commit(
        self,
        group: str,
        topic: str,
        partition: int,
        *,
        expected: Position,
        position: Position,
        outputs: Sequence[Message] = (),
        counts: Mapping[str, int] | None = None,
    ) -> None:
        with self._lock:
            stored = self.position(group, topic, partition)
            if stored != expected:
                raise PositionMoved(f"group {group!r} is at {stored} in {topic}/{partition}, not at {expected}")
            self._append(outputs)
            self._counts.update(counts or {})
            self._positions[group, topic, partition] = position

    def commit_all(self, group: str, hops: Sequence[Hop]) -> list[BusError | None]:
        return commit_each(self, group, hops)

    def foretell(self, topic: str, hop: Hop) -> None:
        """Its records have no place before they are committed."""

    def continues(self, topic: str, partition: int) -> Sequence[int]:
        return ()

    def counts(self, prefix: str = "") -> dict[str, int]:
        return {name: amount for name, amount in sorted(self._counts.items()) if name.startswith(prefix)}

    def trim(self, topic: str, partition: int, before: Position) -> int:
        with self._lock:
            records = self._records.get((topic, partition), [])
            kept = [record for record in records if record.position >= before]
            self._records[topic, partition] = kept
            return len(records) - len(kept)

    def after(self, topic: str, partition: int, position: Position) -> list[_Record]:
        """The records of a partition after a position."""
        with self._lock:
            return [r for r in self._records.get((topic, partition), []) if r.position > position]

    def _append(self, messages: Sequence[Message]) -> None:
        places = [(message.topic, partition_for(message, self._partitions)) for message in messages]
        coming_to: Counter[tuple[str, int]] = Counter()
        for place, message in zip(places, messages, strict=True):
            coming_to[place] += message.events or 1
        for place, coming in coming_to.items():
            length = sum(record.message.events or 1 for record in self._records.get(place, []))
            if length + coming > self._max_length:
                raise BusFull(f"{place[0]}/{place[1]} holds {length} records; {self._max_length} are allowed")
        for place, message in zip(places, messages, strict=True):
            self._ends[place] += message.events or 1
            record = _Record(Position(self._ends[place], 0), self._clock.now_us(), message)
            self._records.setdefault(place, []).append(record)
        self._grown.notify_all()


class _MemoryReader:
    def __init__(self, bus: MemoryBus, topic: str, partition: int, after: Position) -> None:
        self._bus = bus
        self._topic = topic
        self._partition = partition
        self._position = after

    def poll(self, max_records: int) -> RecordBatch | None:
        records = self._bus.after(self._topic, self._partition, self._position)[:max_records]
        if not records:
            return None
        self._position = records[-1].position
        return RecordBatch(
            self._topic,
            self._partition,
            [record.position for record in records],
            keys=[record.message.key for record in records],
            values=[record.message.value for record in records],
            origins=[record.message.origin for record in records],
            arrivals_us=[record.arrival_us for record in records],
        )

    def lag(self) -> int:
        left = self._bus.after(self._topic, self._partition, self._position)
        return sum(record.message.events or 1 for record in left)
