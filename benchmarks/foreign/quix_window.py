"""Quix Streams: count, sum, min and max of each customer's prices of the last 5 minutes, a sliding window, from Kafka.

python quix_window.py BROKER FEW.jsonl COUNT MANY.jsonl COUNT

The events are in the broker before the clock starts; its processor time does not count.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import uuid
from datetime import timedelta
from pathlib import Path

import orjson
from confluent_kafka import Producer
from quixstreams import Application
from quixstreams.dataframe.windows import Count, Max, Min, Sum
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
    """A new topic with the file's events, keyed by customer."""
    topic = f"clicks-{uuid.uuid4().hex[:8]}"
    producer = Producer({"bootstrap.servers": broker, "queue.buffering.max.messages": 2_000_000, "linger.ms": 20})
    for line in path.read_bytes().splitlines():
        event = orjson.loads(line)
        producer.produce(topic, line, event["customer"], timestamp=event["time_us"] // 1000)
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
        window = frame.sliding_window(timedelta(minutes=5)).agg(
            count=Count(), total=Sum("price"), least=Min("price"), greatest=Max("price")
        )
        window.current()
        application.run(count=events)


main()
