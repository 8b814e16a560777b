"""Quix Streams: JSON from one Kafka topic to another, read and written as they are.

python quix_pass.py BROKER FEW.jsonl COUNT MANY.jsonl COUNT

The events are in the broker before the clock starts; its processor time does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quix_topics import measured_over_topics
from quixstreams import Application
from quixstreams.dataframe import StreamingDataFrame


def records(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_bytes().splitlines()):
        yield {"value": line, "key": b"c%d" % (number % 1_000)}


def job(application: Application, frame: StreamingDataFrame, topic: str) -> None:
    frame.to_topic(application.topic(f"{topic}-out", value_serializer="json"))


measured_over_topics(records, job)
