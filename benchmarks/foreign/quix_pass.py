"""Quix Streams: JSON from one Kafka topic to another, read and written as they are.

python quix_pass.py BROKER FEW.jsonl COUNT MANY.jsonl COUNT

The events are in the broker before the clock starts; its processor time does not count.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import uuid
from pathlib import Path

from confluent_kafka import Producer
from quixstreams import Application
from timing import measured


def main() -> None:
    broker = sys.argv.pop(1)
    topics: dict[Path, str] = {}

    def job(path: Path, events: int) -> None:
        run(broker, topics[path], events)

    for path in (Path(sys.argv[1]), Path(sys.argv[3])):
        topics[path] = fill(broker, path)
    measured(job)


def fill(broker: str, path: Path) -> str:
    """A new topic with the file's events."""
    topic = f"pass-{uuid.uuid4().hex[:8]}"
    producer = Producer({"bootstrap.servers": broker, "queue.buffering.max.messages": 2_000_000, "linger.ms": 20})
    for number, line in enumerate(path.read_bytes().splitlines()):
        producer.produce(topic, line, b"c%d" % (number % 1_000))
    if producer.flush(60):
        raise RuntimeError("Kafka did not take the events")
    return topic


def run(broker: str, topic: str, events: int) -> None:
    """One application over the topic's first `events` events."""
    with tempfile.TemporaryDirectory() as state:
        application = Application(
            broker_address=broker,
            consumer_group=uuid.uuid4().hex,
            auto_offset_reset="earliest",
            state_dir=state,
            loglevel=logging.WARNING,
        )
        frame = application.dataframe(application.topic(topic, value_deserializer="json"))
        frame.to_topic(application.topic(f"{topic}-out", value_serializer="json"))
        application.run(count=events)


main()
