"""Reading Redis Streams: all readers of one bus share a read, and a wait for what comes next.

An idle flow costs one call and not one each, and a record is taken up when it comes, not at the next turn of a poll.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakSet

from rapport.bus.protocol import Position, RecordBatch

if TYPE_CHECKING:
    from rapport.bus.redis_streams import RedisStreamsBus

__all__ = ["RedisReader", "SharedRead", "parse_id", "to_id"]

_EMPTY_FOR_S = 0.0005
"""For how long an answer "nothing new" holds for the readers that did not ask."""
_AT_ONCE = 64
"""Most records of each stream that a wait brings along; they may be large."""

Entry: TypeAlias = tuple[bytes, list[bytes]]


def to_id(position: Position) -> str:
    """A position as Redis writes it."""
    return f"{position.hi}-{position.lo}"


def parse_id(text: bytes) -> Position:
    """The position that Redis wrote."""
    hi, _, lo = text.partition(b"-")
    return Position(int(hi), int(lo))


class SharedRead:
    """One XREAD for all readers that have nothing left of their last one."""

    def __init__(self, bus: RedisStreamsBus) -> None:
        self._bus = bus
        self._readers: WeakSet[RedisReader] = WeakSet()
        self._lock = threading.Lock()

    def add(self, reader: RedisReader) -> None:
        with self._lock:
            self._readers.add(reader)

    def forget(self) -> None:
        """Something was written: what was found empty may be so no more."""
        with self._lock:
            for reader in self._readers:
                reader.empty_until = 0.0

    def wait(self, seconds: float) -> None:
        """Block until there is something new for a reader, and read it; at once when a reader has records left."""
        with self._lock:
            waiting = list(self._readers)
            if any(reader.ready for reader in waiting):
                return
            first: dict[str, Position] = {}
            for reader in waiting:
                first[reader.stream] = min(reader.position, first.get(reader.stream, reader.position))
        if not first:
            time.sleep(seconds)
            return
        # Not under the lock: other threads read on meanwhile. What they have moved past is not handed to them again.
        found = self._bus.read({(stream, to_id(at)) for stream, at in first.items()}, _AT_ONCE, block_s=seconds)
        with self._lock:
            until = time.monotonic() + _EMPTY_FOR_S
            for reader in waiting:
                if not reader.ready:
                    reader.ready = found.get((reader.stream, to_id(reader.position)), [])
                    reader.empty_until = until if not found else 0.0

    def fill(self, asking: RedisReader, max_records: int) -> None:
        """Read what is new for every reader without records that takes as many at a time; the one that asks does."""
        with self._lock:
            asking.takes = max_records
            if asking.ready:
                return
            waiting = [reader for reader in self._readers if not reader.ready and reader.takes == max_records]
            found = self._bus.read({(reader.stream, to_id(reader.position)) for reader in waiting}, max_records)
            until = time.monotonic() + _EMPTY_FOR_S
            for reader in waiting:
                reader.ready = found.get((reader.stream, to_id(reader.position)), [])
                reader.empty_until = 0.0 if reader is asking or reader.ready else until

    def take(self, reader: RedisReader, max_records: int) -> list[Entry]:
        """The reader's next records. It moves on in the same step: another thread that found it without records, and
        where it was, would hand it the same ones again."""
        with self._lock:
            taken, reader.ready = reader.ready[:max_records], reader.ready[max_records:]
            reader.position = parse_id(taken[-1][0])
        return taken


class RedisReader:
    """Reads one stream from a position on. See rapport.bus.protocol.Reader."""

    def __init__(self, bus: RedisStreamsBus, shared: SharedRead, topic: str, partition: int, after: Position) -> None:
        self._bus = bus
        self._shared = shared
        self._topic = topic
        self._partition = partition
        self.position = after
        self.stream = bus.stream(topic, partition)
        self.ready: list[Entry] = []
        self.empty_until = 0.0
        self.takes = 0
        shared.add(self)

    def poll(self, max_records: int) -> RecordBatch | None:
        if not self.ready:
            if self._told_empty():
                return None
            self._shared.fill(self, max_records)
            if not self.ready:
                return None
        return _batch(self._topic, self._partition, self._shared.take(self, max_records))

    def _told_empty(self) -> bool:
        told, self.empty_until = self.empty_until, 0.0
        return time.monotonic() < told

    def lag(self) -> int:
        return self._bus.count_after(self.stream, self.position)


def _batch(topic: str, partition: int, entries: list[Any]) -> RecordBatch:
    positions = [parse_id(entry[0]) for entry in entries]
    fields = [entry[1] for entry in entries]
    return RecordBatch(
        topic,
        partition,
        positions,
        keys=[field[1].decode("utf-8", "replace") for field in fields],
        values=[field[3] for field in fields],
        origins=[field[5].decode("utf-8", "replace") for field in fields],
        arrivals_us=[position.hi * 1_000 for position in positions],
    )
