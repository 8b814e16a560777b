"""Quix Streams: count, sum, min and max of each customer's prices of the last 5 minutes, a sliding window, from Kafka.

python quix_window.py BROKER FEW.jsonl COUNT MANY.jsonl COUNT

The events are in the broker before the clock starts; its processor time does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from quix_topics import measured_over_topics
from quixstreams import Application
from quixstreams.dataframe import StreamingDataFrame
from quixstreams.dataframe.windows import Count, Max, Min, Sum


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The file's events, keyed by customer."""
    for line in path.read_bytes().splitlines():
        event = orjson.loads(line)
        yield {"value": line, "key": event["customer"], "timestamp": event["time_us"] // 1000}


def job(application: Application, frame: StreamingDataFrame, topic: str) -> None:
    window = frame.sliding_window(timedelta(minutes=5)).agg(
        count=Count(), total=Sum("price"), least=Min("price"), greatest=Max("price")
    )
    window.current()


measured_over_topics(records, job)
