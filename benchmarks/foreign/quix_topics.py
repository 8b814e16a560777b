"""Quix Streams over topics that are filled before the clock starts, so that filling them does not count."""

from __future__ import annotations

import logging
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from quixstreams import Application
from quixstreams.dataframe import StreamingDataFrame
from timing import measured

__all__ = ["measured_over_topics"]


def measured_over_topics(
    records: Callable[[Path], Iterator[dict[str, Any]]], job: Callable[[Application, StreamingDataFrame, str], None]
) -> None:
    """Measure a job on the files that the command line names after the broker's address.

    Args:
        records: of a file, as a producer takes them: value, key, timestamp.
        job: given an application, the frame of one topic's JSON values and the topic's name, says what is to be done.
    """
    broker = sys.argv.pop(1)
    topics = {path: _filled(broker, records(path)) for path in (Path(sys.argv[1]), Path(sys.argv[3]))}
    measured(lambda path, events: _run(broker, topics[path], events, job))


def _filled(broker: str, records: Iterator[dict[str, Any]]) -> str:
    topic = f"clicks-{uuid.uuid4().hex[:8]}"
    producer = Producer({"bootstrap.servers": broker, "queue.buffering.max.messages": 2_000_000, "linger.ms": 20})
    for record in records:
        producer.produce(topic, **record)
    if producer.flush(60):
        raise RuntimeError("Kafka did not take the events")
    return topic


def _run(broker: str, topic: str, events: int, job: Callable[[Application, StreamingDataFrame, str], None]) -> None:
    """One application over the topic's first `events` events."""
    with tempfile.TemporaryDirectory() as state:
        application = Application(
            broker_address=broker,
            consumer_group=uuid.uuid4().hex,
            auto_offset_reset="earliest",
            state_dir=state,
            loglevel=logging.WARNING,
        )
        job(application, application.dataframe(application.topic(topic, value_deserializer="json")), topic)
        application.run(count=events)
