"""This process as a member of a group of consumers: Kafka gives it partitions, and may take them away at any time.

A thread of its own reads ahead, so that the group hears of this process however long a batch takes, and records are at
hand when they come. Each partition is read from an offset that is named; nothing is left to a default.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from rapport.bus.kafka_ahead import Ahead
from rapport.bus.kafka_cluster import KafkaCluster, to_offset
from rapport.bus.kafka_link import why
from rapport.bus.kafka_records import to_batch
from rapport.bus.kafka_scan import gone
from rapport.bus.placed import is_ahead, is_placed, offset_after
from rapport.bus.protocol import START, Hop, Place, Position, RecordBatch
from rapport.errors import BusError, BusUnavailable, SettingsError
from rapport.quiet import log_failure

__all__ = ["SESSION_S", "KafkaMember"]

SESSION_S = 10.0
"""A member that has not been heard of for so long is taken for dead, and its partitions are given to others."""
_MAX_HELD = 32_000
_MAX_HELD_BYTES = 32 * 1024 * 1024
"""What the thread reads ahead; librdkafka holds as much again."""
_AT_ONCE = 2_000
_POLL_S = 0.05
_TELL_EVERY_S = 0.1
"""Positions that move without a transaction are told so often: after each batch, the broker would have as much to do
with them as with the records."""
_FULL_FOR_S = 2.0
"""The buffer may be full for so long before the member stops to fetch and only keeps in touch."""
_FENCED_TIMES = 3
_FENCED_WITHIN_S = 60.0
"""A member that is shut out so often, in so short a time, gives way."""
_log = logging.getLogger(__name__)
_terms = itertools.count(1)


class _Fenced(Exception):  # noqa: N818 - a state, not an error
    """Another consumer has joined under this one's name."""


@dataclass(slots=True)
class _Buffer:
    """Records of a place that were read ahead, for the reader that has it now."""

    term: int
    reader: object = None
    wanted: int = OFFSET_BEGINNING
    records: deque[Any] = field(default_factory=deque)
    next: int = -1
    """Behind the last record that the thread took, or the end where there was none."""
    at: Position | None = None
    """Where the reader was put, and then what was committed: what a hop has to start from."""
    turn: int = 0
    """How often the topic was made anew, if it is a raw one."""
    ahead: Ahead = field(default_factory=Ahead)


class KafkaMember:
    """See rapport.bus.protocol.Membership.

    Args:
        cluster: the cluster.
        group: the group's name, without prefix.
        topics: to read.
        identity: this process's name in the group; the same one after a restart, which then costs no rebalance.
        grown: told whenever there are new records.
    """

    def __init__(
        self, cluster: KafkaCluster, group: str, topics: Sequence[str], identity: str, grown: threading.Condition
    ) -> None:
        self.group = group
        self._cluster = cluster
        self._topics = list(topics)
        self._identity = identity
        self._grown = grown
        self._buffers: dict[Place, _Buffer] = {}
        self._places: dict[Place, int] = {}
        self._assigned_once = False
        self._moved = False
        self._metadata: Any = None
        self._untold: dict[Place, Position] = {}
        self._tell_s = 0.0
        self._fenced_s: list[float] = []
        self._held = 0
        self._held_bytes = 0
        self._broken: BusError | None = None
        self._closing = threading.Event()
        self._consumer: Any = None
        self._thread = threading.Thread(target=self._run, name=f"kafka-{group}", daemon=True)
        self._thread.start()

    # What the flow's thread calls.

    def places(self) -> Mapping[Place, int]:
        if self._broken is not None and not isinstance(self._broken, BusUnavailable):
            raise self._broken
        return self._places

    def reader(self, topic: str, partition: int, after: Position = START) -> _MemberReader:
        made = _MemberReader(self, topic, partition)
        with self._grown:
            buffer = self._buffers.get((topic, partition))
            if buffer is not None:
                self._drop(buffer)
                buffer.reader = made
                buffer.wanted = OFFSET_BEGINNING if after == START else offset_after(after)
                buffer.next = -1
                buffer.at = after
                buffer.turn = 0 if is_placed(after) else after.lo
                buffer.ahead.begin(after)
                self._moved = True
        return made

    def settled(self) -> bool:
        with self._grown:
            if not self._assigned_once:
                return False
            at = {place: buffer.next for place, buffer in self._buffers.items()}
            if self._moved or any(buffer.records or buffer.next < 0 for buffer in self._buffers.values()):
                return False
        ends = self._cluster.extents(at)
        return all(at[place] >= extent.end for place, extent in ends.items())

    def ready(self) -> bool:
        """Whether a reader has something; the condition is held."""
        return self._broken is not None or any(
            buffer.records or buffer.ahead.ready() for buffer in self._buffers.values()
        )

    def stands(self, hops: Sequence[Hop]) -> tuple[list[Hop], Any]:
        """Those of some hops that start where their place stands, and what a transaction says of this member: when a
        place is given to another one meanwhile, Kafka refuses the transaction for it. A hop that only moves a position
        may start anywhere."""
        with self._grown:
            found = []
            for hop in hops:
                buffer = self._buffers.get((hop.topic, hop.partition))
                if buffer is not None and (buffer.at == hop.expected or not (hop.outputs or hop.counts)):
                    found.append(hop)
            return found, self._metadata

    def moved(self, hops: Sequence[Hop]) -> None:
        """These hops are committed."""
        with self._grown:
            for hop in hops:
                buffer = self._buffers.get((hop.topic, hop.partition))
                if buffer is not None and buffer.at == hop.expected:
                    buffer.at = hop.position
                    self._tell_followed((hop.topic, hop.partition), buffer)

    def term(self, place: Place) -> int:
        """The number of the term in which a place is ours; 0 when it is not."""
        return self._places.get(place, 0)

    def tell(self, hops: Sequence[Hop]) -> None:
        """Let Kafka know of positions, in order, and without waiting for the answer."""
        with self._grown:
            for hop in hops:
                if not is_ahead(hop.position):
                    self._untold[hop.topic, hop.partition] = hop.position

    def offer(self, topic: str, hop: Hop) -> None:
        """What will be committed of a hop, for whoever reads its partition of `topic` here."""
        with self._grown:
            buffer = self._buffers.get((topic, hop.partition))
            if buffer is not None:
                buffer.ahead.offer(topic, hop)

    def close(self) -> None:
        """Leave; what was told before has arrived then, if Kafka answers."""
        self._closing.set()
        with self._grown:
            self._grown.notify_all()
        self._thread.join(timeout=self._cluster.link.timeout_s + 5)

    def take(self, reader: object, topic: str, partition: int, max_records: int) -> RecordBatch | None:
        """The reader's next records. For _MemberReader."""
        if self._broken is not None:
            raise self._broken
        place = (topic, partition)
        while True:
            with self._grown:
                buffer = self._buffers.get(place)
                if buffer is None or buffer.reader is not reader:
                    return None
                if not buffer.records:
                    return buffer.ahead.take(topic, partition)
                records = [buffer.records.popleft() for _ in range(min(max_records, len(buffer.records)))]
                self._held -= len(records)
                self._held_bytes -= sum(map(len, records))
                self._grown.notify_all()
            batch = to_batch(topic, partition, records, buffer.turn)
            with self._grown:
                new = buffer.ahead.new(batch)
                self._tell_followed(place, buffer)
            if new is not None:
                return new

    def _tell_followed(self, place: Place, buffer: _Buffer) -> None:
        """Have Kafka told of records that were committed after what was done with them; the condition is held."""
        if buffer.at is not None:
            reached = buffer.ahead.told(buffer.at)
            if reached is not None and is_ahead(buffer.at):
                self._untold[place] = reached

    def behind(self, reader: object, topic: str, partition: int) -> int:
        """Records that the reader has not got. For _MemberReader."""
        place = (topic, partition)
        with self._grown:
            buffer = self._buffers.get(place)
            if buffer is None or buffer.reader is not reader:
                return 0
            held, at, wanted = len(buffer.records), buffer.next, buffer.wanted
        extent = self._cluster.extents([place])[place]
        return held + max(0, extent.end - (at if at >= 0 else max(wanted, extent.first)))

    # What the reading thread does.

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._read_on()
            except _Fenced as fenced:
                self._join_again(str(fenced))
            except BusUnavailable as error:
                _log.warning("group %s: %s", self.group, error)
                self._closing.wait(0.5)
            except (BusError, SettingsError) as error:
                self._break(error if isinstance(error, BusError) else BusError(str(error)))
                break
            except KafkaException as error:
                failed = why(error.args[0], f"group {self.group}")
                if not isinstance(failed, BusUnavailable):
                    self._break(failed)
                    break
                _log.warning("group %s: %s", self.group, failed)
                self._closing.wait(0.5)
            except Exception as error:  # a thread has nobody above it: whoever reads is told
                log_failure(_log, error, "group %s stopped reading", self.group)
                self._break(BusError(f"reading for group {self.group!r} failed: {type(error).__name__}: {error}"))
                break
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            self._tell_now(consumer, wait=True)
            consumer.close()

    def _join_again(self, why_: str) -> None:
        """Another one has this member's name: itself, when it joined a second time after an outage, or another process,
        which then does the same, until the one that came first has had enough."""
        now_s = time.monotonic()
        self._fenced_s = [at_s for at_s in self._fenced_s if now_s - at_s < _FENCED_WITHIN_S] + [now_s]
        if len(self._fenced_s) >= _FENCED_TIMES:
            self._break(
                BusError(
                    f"group {self.group!r}: {why_}: another process is {self._identity!r}; workers of one machine need "
                    "numbers of their own, installations folders of their own"
                )
            )
            self._closing.set()
        _log.warning("group %s: %s; joining again", self.group, why_)
        with self._grown:
            self._give_back()
        consumer, self._consumer = self._consumer, None
        consumer.close()
        self._closing.wait(0.2 * len(self._fenced_s))

    def _give_back(self) -> None:
        """Nothing is ours any more; the condition is held."""
        for buffer in self._buffers.values():
            self._drop(buffer)
        self._buffers = {}
        self._places = {}

    def _break(self, error: BusError) -> None:
        with self._grown:
            self._broken = error
            self._grown.notify_all()

    def _join(self) -> None:
        self._cluster.ensure(self._topics)
        link = self._cluster.link
        self._consumer = Consumer(
            link.config(
                group_id=link.group(self.group),
                group_instance_id=self._identity,
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="error",
                enable_partition_eof=True,
                # Each partition for itself, as shares are: two topics of one partition each give two workers work.
                partition_assignment_strategy="roundrobin",
                session_timeout_ms=int(SESSION_S * 1_000),
                heartbeat_interval_ms=500,
                max_poll_interval_ms=600_000,
                fetch_error_backoff_ms=20,
                fetch_message_max_bytes=4 * 1024 * 1024,
                queued_max_messages_kbytes=_MAX_HELD_BYTES // 1024,
                allow_auto_create_topics=False,
            )
        )
        topics = [link.topic(topic) for topic in self._topics]
        self._consumer.subscribe(topics, on_assign=self._given, on_revoke=self._taken, on_lost=self._taken)

    def _read_on(self) -> None:
        if self._consumer is None:
            self._join()
        if self._untold and time.monotonic() >= self._tell_s:
            self._tell_s = time.monotonic() + _TELL_EVERY_S
            self._tell_now(self._consumer, wait=False)
        if self._moved:
            self._place_readers()
        if self._full():
            self._wait_for_room()
            return
        first = self._consumer.poll(_POLL_S)
        if first is not None:
            self._keep([first, *self._consumer.consume(_AT_ONCE - 1, 0)])

    def _given(self, consumer: Any, given: Sequence[TopicPartition]) -> None:
        skipped = len(self._cluster.link.prefix)
        # Of this generation of the group: what the consumer says later may be of one in which these are not ours.
        metadata = consumer.consumer_group_metadata()
        with self._grown:
            self._metadata = metadata
            for each in given:
                self._buffers[each.topic[skipped:], each.partition] = _Buffer(next(_terms))
            self._places = {place: buffer.term for place, buffer in self._buffers.items()}
            self._assigned_once = True
        # Nothing is fetched before somebody says from where.
        consumer.assign([])
        _log.info("group %s: %d partitions are read here", self.group, len(given))

    def _tell_now(self, consumer: Any, *, wait: bool) -> None:
        # Here and nowhere else: a consumer serves one thread at a time, and this one asks it all the time.
        with self._grown:
            untold, self._untold = self._untold, {}
        name = self._cluster.link.topic
        offsets = [TopicPartition(name(topic), part, *to_offset(at)) for (topic, part), at in untold.items()]
        try:
            if offsets:
                consumer.commit(offsets=offsets, asynchronous=not wait)
        except (KafkaException, RuntimeError) as error:
            # Whoever reads from there again bears it: those who do not, move positions by transactions.
            _log.info("group %s: positions were not told: %s", self.group, error)

    def _taken(self, consumer: Any, taken: Sequence[TopicPartition]) -> None:
        self._tell_now(consumer, wait=True)
        with self._grown:
            self._give_back()
        consumer.unassign()
        _log.info("group %s: %d partitions are given back", self.group, len(taken))

    def _place_readers(self) -> None:
        """Fetch each place that has a reader from where that stands."""
        link = self._cluster.link
        with self._grown:
            self._moved = False
            wanted = []
            for (topic, partition), buffer in self._buffers.items():
                if buffer.reader is not None:
                    at = buffer.next if buffer.next >= 0 else buffer.wanted
                    wanted.append(TopicPartition(link.topic(topic), partition, at))
        self._consumer.assign(wanted)
        # One that was paused stays so for Kafka's client, even if it was taken away and given back meanwhile.
        self._consumer.resume(wanted)

    def _keep(self, records: Sequence[Any]) -> None:
        skipped = len(self._cluster.link.prefix)
        failed = []
        with self._grown:
            name, number, buffer = None, -1, None
            for record in records:
                if record.topic() != name or record.partition() != number:
                    name, number = record.topic(), record.partition()
                    buffer = self._buffers.get((name[skipped:], number)) if name else None
                if record.error() is not None:
                    failed.append(record)
                    if record.error().code() == KafkaError._PARTITION_EOF and buffer is not None:
                        buffer.next = max(buffer.next, record.offset())
                elif buffer is not None and not self._moved_away(buffer) and record.offset() >= buffer.next:
                    self._hold(buffer, record)
            if self._held:
                self._grown.notify_all()
        for record in failed:
            self._fail(record)

    def _hold(self, buffer: _Buffer, record: Any) -> None:
        buffer.records.append(record)
        buffer.next = record.offset() + 1
        self._held += 1
        self._held_bytes += len(record)

    def _moved_away(self, buffer: _Buffer) -> bool:
        """Whether these records are of before its reader was made anew: they will be fetched again."""
        return self._moved and buffer.next < 0

    def _fail(self, record: Any) -> None:
        error, skipped = record.error(), len(self._cluster.link.prefix)
        if error.code() == KafkaError._PARTITION_EOF:
            return
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            topic, partition = record.topic()[skipped:], record.partition()
            buffer = self._buffers.get((topic, partition))
            wanted = (buffer.next if buffer.next >= 0 else buffer.wanted) if buffer else 0
            raise gone(self._cluster, self.group, topic, partition, wanted)
        if error.code() == KafkaError._FATAL or error.fatal():
            raise _Fenced(error.str())
        _log.warning("group %s: %s", self.group, error.str())
        failed = why(error, f"group {self.group}")
        if not isinstance(failed, BusUnavailable):
            raise failed

    def _drop(self, buffer: _Buffer) -> None:
        self._held -= len(buffer.records)
        self._held_bytes -= sum(map(len, buffer.records))
        buffer.records.clear()

    def _full(self) -> bool:
        return self._held >= _MAX_HELD or self._held_bytes >= _MAX_HELD_BYTES

    def _wait_for_room(self) -> None:
        until = time.monotonic() + _FULL_FOR_S
        with self._grown:
            while self._full() and not self._closing.is_set() and time.monotonic() < until:
                self._grown.wait(0.2)
        if not self._full() or self._closing.is_set():
            return
        # Whoever reads is held up for long: stay a member, and fetch again from here afterwards.
        _log.info("group %s waits: what was read ahead has not been taken for %g s", self.group, _FULL_FOR_S)
        assigned = self._consumer.assignment()
        self._consumer.pause(assigned)
        while self._full() and not self._closing.is_set():
            self._keep([record for record in [self._consumer.poll(_POLL_S)] if record is not None])
        with self._grown:
            self._moved = True


class _MemberReader:
    """See rapport.bus.protocol.Reader."""

    def __init__(self, member: KafkaMember, topic: str, partition: int) -> None:
        self._member = member
        self._topic = topic
        self._partition = partition

    def poll(self, max_records: int) -> RecordBatch | None:
        return self._member.take(self, self._topic, self._partition, max_records)

    def lag(self) -> int:
        return self._member.behind(self, self._topic, self._partition)
