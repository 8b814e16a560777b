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
from rapport.events.schema import TOPICS

__all__ = ["produce", "to_batch"]

_ORIGIN = "origin"
_PLACE = "place"
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
                headers=_headers(message),
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


def to_batch(topic: str, partition: int, records: Sequence[Any], turn: int = 0) -> RecordBatch:
    """Records of one partition, in order.

    Args:
        turn: how often the topic was made anew; the `lo` of positions that are offsets.

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
    headers = list(map(Record.headers, records))
    return RecordBatch(
        topic,
        partition,
        _positions(topic, records, headers, turn),
        keys=[str(key, "utf-8", "replace") if key else "" for key in map(Record.key, records)],
        values=[value or b"" for value in map(Record.value, records)],
        origins=[_header(each, _ORIGIN) if each else "" for each in headers],
        arrivals_us=[arrival_us[stamp] for stamp in stamps],
    )


def _headers(message: Message) -> list[tuple[str, bytes]] | None:
    found = []
    if message.origin:
        found.append((_ORIGIN, message.origin.encode("utf-8", "replace")))
    if message.place:
        found.append((_PLACE, b"%d" % message.place))
    return found or None


def _positions(topic: str, records: Sequence[Any], headers: Sequence[Any], turn: int) -> list[Position]:
    """Where records are: the place that one says, else its offset. Topics that others write too have offsets only."""
    positions = Position.of_offsets(map(Record.offset, records), turn)
    if topic not in TOPICS:
        for i, each in enumerate(headers):
            place = _header(each, _PLACE) if each else ""
            if place:
                positions[i] = Position(int(place), records[i].offset() + 1)
    return positions


def _header(headers: Sequence[tuple[str, bytes]], name: str) -> str:
    for each, value in headers:
        if each == name and value:
            return value.decode("utf-8", "replace")
    return ""
