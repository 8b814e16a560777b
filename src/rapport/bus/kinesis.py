"""Kinesis for what comes from outside, Redis Streams for what is made of it.

Kinesis has no transactions. So only raw topics are streams of Kinesis; checked events, dead letters, positions and
counters are in Redis, where what came of a batch and the position in its shard are one step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from weakref import WeakSet

from rapport.bus.kinesis_cursor import Cursor
from rapport.bus.kinesis_link import CONNECTIONS, KinesisLink
from rapport.bus.kinesis_marks import NOTHING_READ, Checkpoint, Marks
from rapport.bus.kinesis_member import ShardMembership
from rapport.bus.kinesis_reader import ShardReader
from rapport.bus.kinesis_shards import Streams
from rapport.bus.kinesis_writer import check_sizes, put
from rapport.bus.membership import commit_each
from rapport.bus.protocol import START, Hop, Membership, Message, Position, Reader
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.bus.share import WHOLE, Share
from rapport.errors import BusError

if TYPE_CHECKING:
    from rapport.settings import Settings

__all__ = ["KinesisBus"]

_LAG_HOLDS_S = 2.0


class KinesisBus:
    """See rapport.bus.protocol.Bus. A shard is the partition with the number of its id; a position in one is the number
    of records read. Nothing is connected until it is used.

    Args:
        link: to Kinesis.
        rest: the bus of all topics that are not raw.
        marks: what is kept of shards, in the Redis of that bus.
        raw: the topics that are streams of Kinesis.
    """

    keeps_read = False
    one_step = False
    foretells = False

    def __init__(self, link: KinesisLink, rest: RedisStreamsBus, marks: Marks, raw: Collection[str]) -> None:
        self._link = link
        self._rest = rest
        self._raw = frozenset(raw)
        self._lock = threading.Lock()
        self._checkpoints: dict[tuple[str, int], dict[int, Checkpoint]] = {}
        self._committed: dict[tuple[str, str, int], Position] = {}
        self._lags: dict[tuple[str, int, int], tuple[float, int]] = {}
        self._readers: WeakSet[ShardReader] = WeakSet()
        self.marks = marks
        self.streams = Streams(link)
        self.executor = ThreadPoolExecutor(CONNECTIONS, "kinesis")

    @classmethod
    def of(cls, settings: Settings, *, timeout_s: float = 5.0) -> KinesisBus:
        """The one of an installation.

        Raises:
            ServiceError: the embedded Redis has never been started.
            SettingsError: an address that cannot be right.
        """
        from rapport.embedded import redis_url
        from rapport.events.schema import TOPICS

        link, url = KinesisLink.of(settings, timeout_s=timeout_s), redis_url(settings)
        rest = RedisStreamsBus(
            url, partitions=settings.partitions, max_length=settings.bus_max_length, timeout_s=timeout_s
        )
        return cls(link, rest, Marks(url, timeout_s=timeout_s), TOPICS)

    def close(self) -> None:
        """Give the connections back; calls that are on their way end by themselves."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        self._rest.close()
        self.marks.close()

    def name(self, topic: str) -> str:
        """A topic's stream among the marks: another one when the stream was made anew."""
        return f"{topic}@{self.streams.get(topic).incarnation}"

    def place(self, topic: str, number: int) -> str:
        """A shard among the marks."""
        return f"{self.name(topic)}:{number}"

    def partitions(self, topic: str) -> int:
        if topic not in self._raw:
            return self._rest.partitions(topic)
        return max(self.streams.get(topic).shards, default=-1) + 1

    def join(self, group: str, topics: Sequence[str], share: Share = WHOLE, *, foretold: bool = False) -> Membership:
        if all(topic in self._raw for topic in topics):
            return ShardMembership(self, group, topics, share)
        if any(topic in self._raw for topic in topics):
            raise ValueError("raw topics are read by themselves")
        return self._rest.join(group, topics, share, foretold=foretold)

    def publish(self, messages: Sequence[Message]) -> None:
        raw: dict[str, list[Message]] = {}
        for message in messages:
            if message.topic in self._raw:
                raw.setdefault(message.topic, []).append(message)
        check_sizes([message for part in raw.values() for message in part])
        if others := [message for message in messages if message.topic not in self._raw]:
            self._rest.publish(others)
        for topic, part in raw.items():
            put(self._link, self._link.stream(topic), part)

    def reader(self, topic: str, partition: int, after: Position = START) -> Reader:
        if topic not in self._raw:
            return self._rest.reader(topic, partition, after)
        return self.shard_reader(topic, partition, after)

    def shard_reader(self, topic: str, number: int, after: Position = START) -> ShardReader:
        """A reader of a shard, from a position on that was committed or that this bus has handed out.

        Raises:
            BusError: no such position is known.
            BusUnavailable
        """
        made = ShardReader(
            topic,
            number,
            self._cursor(topic, number, self._known(topic, number, after)),
            self.executor,
            lambda at: self._note(topic, number, at),
            lambda at: self._lag(topic, number, at),
        )
        self._readers.add(made)
        return made

    def wait(self, seconds: float) -> None:
        if not any(reader.ready for reader in list(self._readers)):
            self._rest.wait(seconds)

    def position(self, group: str, topic: str, partition: int) -> Position:
        if topic not in self._raw:
            return self._rest.position(group, topic, partition)
        stored = self._rest.stored(group, self.name(topic), partition)
        checkpoint = Checkpoint.parse(stored) if stored else NOTHING_READ
        self._note(topic, partition, checkpoint)
        self._committed[group, topic, partition] = checkpoint.position
        return checkpoint.position

    def committed(self, group: str, topic: str, number: int) -> Position | None:
        """The position in a shard that this bus last read or wrote; None: neither."""
        return self._committed.get((group, topic, number))

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
        if any(message.topic in self._raw for message in outputs):
            raise BusError("what comes of a batch cannot go to Kinesis in one step with the position")
        if topic not in self._raw:
            self._rest.commit(
                group, topic, partition, expected=expected, position=position, outputs=outputs, counts=counts
            )
            return
        was, now = (self._known(topic, partition, one).text for one in (expected, position))
        self._rest.commit_text(group, self.name(topic), partition, was, now, outputs, counts)
        self._committed[group, topic, partition] = position
        with self._lock:
            known = self._checkpoints[topic, partition]
            self._checkpoints[topic, partition] = {n: one for n, one in known.items() if n >= position.hi}

    def commit_all(self, group: str, hops: Sequence[Hop]) -> list[BusError | None]:
        return commit_each(self, group, hops)

    def foretell(self, topic: str, hop: Hop) -> None:
        """Its records have no place before they are committed."""

    def continues(self, topic: str, partition: int) -> Sequence[int]:
        return self.streams.ancestors(topic, partition) if topic in self._raw else ()

    def counts(self, prefix: str = "") -> dict[str, int]:
        return self._rest.counts(prefix)

    def trim(self, topic: str, partition: int, before: Position) -> int:
        # Kinesis forgets by itself.
        return 0 if topic in self._raw else self._rest.trim(topic, partition, before)

    def _cursor(self, topic: str, number: int, after: Checkpoint) -> Cursor:
        stream = self.streams.get(topic)
        return Cursor(self._link, self.marks, stream, self.place(topic, number), number, after)

    def _note(self, topic: str, number: int, checkpoint: Checkpoint) -> None:
        with self._lock:
            self._checkpoints.setdefault((topic, number), {})[checkpoint.read] = checkpoint

    def _known(self, topic: str, number: int, position: Position) -> Checkpoint:
        with self._lock:
            found = self._checkpoints.get((topic, number), {}).get(position.hi)
        if found is None and position != START:
            raise BusError(f"nothing is known of record {position.hi} of {topic}/{number}: read it, or commit it first")
        return found or NOTHING_READ

    def _lag(self, topic: str, number: int, at: Checkpoint) -> int:
        """0, or how long ago the next record arrived, milliseconds. An answer holds for two seconds: a shard takes few
        calls."""
        asked_s, lag = self._lags.get((topic, number, at.read), (-1e9, 0))
        if time.monotonic() - asked_s < _LAG_HOLDS_S:
            return lag
        lag = self._asked_lag(topic, number, at) if number in self.streams.get(topic).shards else 0
        self._lags = {key: one for key, one in self._lags.items() if key[:2] != (topic, number)}
        self._lags[topic, number, at.read] = (time.monotonic(), lag)
        return lag

    def _asked_lag(self, topic: str, number: int, at: Checkpoint) -> int:
        cursor = self._cursor(topic, number, at)
        fetched = cursor.fetch(2, remember=False)
        return max(1, int(time.time() * 1_000) - cursor.at.arrival_ms) if fetched.records else fetched.behind_ms

    def look(self, topic: str, number: int, at: Position) -> None:
        """See whether a shard can be read on from a position.

        Raises:
            RecordsGone: it cannot.
            BusUnavailable, BusError
        """
        self._asked_lag(topic, number, self._known(topic, number, at))

    def restart(self, group: str, topic: str, number: int, expected: Position, position: Checkpoint) -> None:
        """Let a group read a shard from its oldest record on, counting from a position without a sequence number.

        Raises:
            PositionMoved: a worker reads on.
            BusUnavailable
        """
        self._note(topic, number, position)
        self.commit(group, topic, number, expected=expected, position=position.position)
