"""Reading a Kafka partition now and then, outside of any group: dead letters, counters, how much is left to read.

All readers of a bus share one consumer. It fetches only while one of them has something left to read.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from rapport.bus.kafka_cluster import KafkaCluster
from rapport.bus.kafka_link import why
from rapport.bus.kafka_records import to_batch
from rapport.bus.placed import is_placed, offset_after
from rapport.bus.protocol import START, Position, RecordBatch
from rapport.errors import BusUnavailable, RecordsGone

__all__ = ["KafkaReader", "Scanner", "gone"]

_OPEN_FOR_S = 1.0
"""How long a read waits for a transaction that is being ended, when there is nothing else to give."""
_LOOK_AT = 64
"""So few offsets are looked through for records: transactions take offsets too, and "1 behind" may be nobody."""


class Scanner:
    """The consumer that readers share. Safe for threads."""

    def __init__(self, cluster: KafkaCluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._made: Any = None
        self._at: tuple[object, int] | None = None

    def read(
        self, who: object, topic: str, partition: int, offset: int, max_records: int, end: int
    ) -> tuple[list[Any], int]:
        """Committed records from an offset on.

        Args:
            who: the reader; what it left off with is at hand when it comes back before another one.
            end: where the partition ended a moment ago; nothing behind it is waited for.

        Returns:
            The records, and the offset to go on from.

        Raises:
            RecordsGone, BusUnavailable
        """
        with self._lock:
            consumer = self._consumer()
            if self._at != (who, offset):
                self._at = None
                consumer.assign([TopicPartition(self._cluster.link.topic(topic), partition, offset)])
            found, reached = self._take(consumer, topic, partition, offset, max_records, end)
            if reached >= end:
                consumer.unassign()
            else:
                self._at = (who, reached)
            return found, reached

    def close(self) -> None:
        with self._lock:
            if self._made is not None:
                self._made.close()
            self._made, self._at = None, None

    def _consumer(self) -> Any:
        if self._made is None:
            link = self._cluster.link
            self._made = Consumer(
                link.config(
                    group_id=link.group("scan"),
                    isolation_level="read_committed",
                    enable_auto_commit=False,
                    auto_offset_reset="error",
                    enable_partition_eof=True,
                    fetch_wait_max_ms=2,
                    fetch_error_backoff_ms=20,
                    allow_auto_create_topics=False,
                )
            )
        return self._made

    def _take(
        self, consumer: Any, topic: str, partition: int, offset: int, max_records: int, end: int
    ) -> tuple[list[Any], int]:
        found: list[Any] = []
        failed: Any = None
        deadline = time.monotonic() + self._cluster.link.timeout_s
        open_until = 0.0
        while offset < end and len(found) < max_records and time.monotonic() < deadline:
            first = consumer.poll(0.02)
            rest = consumer.consume(min(max_records - len(found) - 1, 2_000), 0) if first is not None else []
            for record in (first, *rest) if first is not None else ():
                error = record.error()
                if error is None:
                    found.append(record)
                    offset = record.offset() + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    offset = max(offset, record.offset())
                    open_until = open_until or time.monotonic() + _OPEN_FOR_S
                elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                    raise gone(self._cluster, "", topic, partition, offset)
                else:
                    failed = error
            if open_until and (found or time.monotonic() > open_until):
                return found, offset
        if offset < end and not found:
            if failed is not None:
                raise why(failed, f"reading {topic}/{partition}")
            waited = self._cluster.link.timeout_s
            raise BusUnavailable(f"Kafka gave no records of {topic}/{partition} within {waited:g} s")
        return found, offset


class KafkaReader:
    """Reads a partition from a position on. See rapport.bus.protocol.Reader."""

    def __init__(self, cluster: KafkaCluster, scanner: Scanner, topic: str, partition: int, after: Position) -> None:
        self._cluster = cluster
        self._scanner = scanner
        self._topic = topic
        self._partition = partition
        self._next: int | None = None if after == START else offset_after(after)
        self._turn = 0 if is_placed(after) else after.lo
        self._end = 0

    def poll(self, max_records: int) -> RecordBatch | None:
        offset = self._next if self._next is not None else 0
        if self._next is None or offset >= self._end:
            offset = self._look(strict=True)
        if offset >= self._end:
            return None
        found, self._next = self._scanner.read(self, self._topic, self._partition, offset, max_records, self._end)
        return to_batch(self._topic, self._partition, found, self._turn) if found else None

    def lag(self) -> int:
        """Records behind the position; where more than a few are left it counts offsets, of which each transaction
        takes one too."""
        offset = self._look(strict=False)
        behind = self._end - offset
        if not 0 < behind <= _LOOK_AT:
            return max(behind, 0)
        found, _ = self._scanner.read(object(), self._topic, self._partition, offset, _LOOK_AT, self._end)
        return len(found)

    def _look(self, *, strict: bool) -> int:
        """Where to read on, with the partition's ends as they are now."""
        self._cluster.ensure([self._topic])
        place = (self._topic, self._partition)
        first, self._end = self._cluster.extents([place])[place]
        if self._next is None:
            self._next = first
        if self._next < first:
            if strict:
                raise gone(self._cluster, "", *place, self._next)
            return first
        return self._next


def gone(cluster: KafkaCluster, group: str, topic: str, partition: int, offset: int) -> RecordsGone:
    """What to say when the record at an offset is not there any more."""
    first, end = cluster.extents([(topic, partition)])[topic, partition]
    reader = f"group {group!r} is at" if group else "a reader wants"
    seek = f"`rapport bus seek {group or 'GROUP'} {topic}`"
    if offset > end:
        return RecordsGone(
            f"{reader} offset {offset} of {topic}/{partition}, which ends at {end}: the topic was made anew, or its "
            f"newest records were lost with a broker. Go on from what there is: `rapport down`, {seek}, `rapport up`"
        )
    return RecordsGone(
        f"{reader} offset {offset} of {topic}/{partition}, and the oldest that Kafka still has is {first}: retention "
        f"removed up to {first - offset:,} records before they were read. Restore them, or go on without them: "
        f"`rapport down`, {seek}, `rapport up`; and give the topic a longer retention.ms"
    )
