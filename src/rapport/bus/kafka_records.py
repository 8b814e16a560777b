"""Kafka's messages as the bus's records, and the other way round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException
from confluent_kafka import Message as Record

from rapport.bus.kafka_link import KafkaLink
from rapport.bus.keys import partition_for
from rapport.bus.protocol import Message, Position, RecordBatch
from rapport.errors import BusError, SettingsError

__all__ = ["next_offset", "produce", "to_batch"]

_ORIGIN = "origin"
_TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)


def produce(
    producer: Any, link: KafkaLink, message: Message, partitions: int, told: Callable[[Any, Any], None]
) -> None:
    """Hand a message to a producer; `told` is called when it is delivered, or not.

    Raises:
        BusError: it is larger than Kafka takes.
        KafkaException: the producer takes nothing any more.
    """
    while True:
        try:
            producer.produce(
                link.topic(message.topic),
                message.value,
                message.key.encode("utf-8", "replace"),
                partition_for(message, partitions),
                on_delivery=told,
                headers=[(_ORIGIN, message.origin.encode("utf-8", "replace"))] if message.origin else None,
            )
            return
        except BufferError:
            # The queue is full: delivery reports make room.
            producer.poll(0.01)
        except KafkaException as error:
            if error.args[0].code() not in _TOO_LARGE:
                raise
            raise BusError(
                f"a record of {len(message.value):,} bytes for {message.topic} was refused: {error.args[0].str()}"
            ) from error


def to_batch(topic: str, partition: int, records: Sequence[Any]) -> RecordBatch:
    """Records of one partition, in order.

    Raises:
        SettingsError: their topic does not say when they arrived.
    """
    # One field of all records at a time, by C's own loops: record by record it takes three times as long.
    stamps = list(map(Record.timestamp, records))
    arrival_us = {stamp: stamp[1] * 1_000 for stamp in set(stamps)}
    if any(kind != TIMESTAMP_LOG_APPEND_TIME for kind, _ in arrival_us):
        raise SettingsError(
            f"records of {topic} carry the times that producers claim: set the topic's message.timestamp.type to "
            "LogAppendTime; those that lie there already have to be sent again, or passed over (`rapport bus seek`)"
        )
    return RecordBatch(
        topic,
        partition,
        Position.of_offsets(map(Record.offset, records)),
        keys=[str(key, "utf-8", "replace") if key else "" for key in map(Record.key, records)],
        values=[value or b"" for value in map(Record.value, records)],
        origins=[_origin(headers) if headers else "" for headers in map(Record.headers, records)],
        arrivals_us=[arrival_us[stamp] for stamp in stamps],
    )


def next_offset(after: Position) -> int:
    """The offset of the first record that comes after a position."""
    return after.hi


def _origin(headers: Sequence[tuple[str, bytes]]) -> str:
    for name, value in headers:
        if name == _ORIGIN and value:
            return value.decode("utf-8", "replace")
    return ""
