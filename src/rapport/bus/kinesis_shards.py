"""The shards of a stream, as partitions: which there are, and which came of which."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from rapport.bus.kinesis_link import KinesisLink
from rapport.errors import BusError

__all__ = ["Shard", "Stream", "Streams", "shard_id"]

_ID = re.compile(r"shardId-([0-9]{12})")


class Shard(NamedTuple):
    """A shard; `number` is that of its id, and of the partition that it is to the bus."""

    number: int
    parents: tuple[int, ...]


class Stream(NamedTuple):
    """A stream as it is.

    Attributes:
        name: in Kinesis.
        incarnation: another one when the stream was deleted and made anew, with the same shard ids.
        retention_ms: for how long it keeps records.
        shards: by number.
    """

    name: str
    incarnation: str
    retention_ms: int
    shards: Mapping[int, Shard]


def shard_id(number: int) -> str:
    """Kinesis's name of a shard."""
    return f"shardId-{number:012d}"


class Streams:
    """The topics' streams, asked for now and then. Safe for threads.

    Args:
        link: to Kinesis.
    """

    def __init__(self, link: KinesisLink) -> None:
        self._link = link
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Stream]] = {}

    def get(self, topic: str, *, max_age_s: float = 60.0) -> Stream:
        """The topic's stream, as it was at most `max_age_s` ago.

        Raises:
            BusUnavailable, BusError
        """
        with self._lock:
            asked_s, known = self._known.get(topic, (-1e9, None))
        now_s = time.monotonic()
        if known is not None and now_s - asked_s <= max_age_s:
            return known
        found = self._ask(topic)
        with self._lock:
            self._known[topic] = (now_s, found)
        return found

    def ancestors(self, topic: str, number: int) -> list[int]:
        """The shards that a shard came of, and those that they came of, as far as they are still listed."""
        shards = self.get(topic, max_age_s=1e9).shards
        found: list[int] = []
        left = [number]
        while left:
            shard = shards.get(left.pop())
            fresh = [parent for parent in (shard.parents if shard else ()) if parent not in found]
            found += fresh
            left += fresh
        return found

    def _ask(self, topic: str) -> Stream:
        name = self._link.stream(topic)
        summary = self._link.call("describe_stream_summary", StreamName=name)["StreamDescriptionSummary"]
        shards: dict[int, Shard] = {}
        arguments: dict[str, Any] = {"StreamName": name}
        while arguments:
            answer = self._link.call("list_shards", **arguments)
            for shard in map(_shard, answer["Shards"]):
                shards[shard.number] = shard
            token = answer.get("NextToken")
            arguments = {"NextToken": token} if token else {}
        created_ms = round(summary["StreamCreationTimestamp"].timestamp() * 1_000)
        return Stream(name, str(created_ms), int(summary["RetentionPeriodHours"]) * 3_600_000, shards)


def _shard(described: Mapping[str, Any]) -> Shard:
    parents = (described.get("ParentShardId"), described.get("AdjacentParentShardId"))
    return Shard(_number(described["ShardId"]), tuple(_number(parent) for parent in parents if parent))


def _number(text: str) -> int:
    match = _ID.fullmatch(text)
    if match is None:
        raise BusError(f"a shard is called {text!r}: shardId- and twelve digits are expected")
    return int(match[1])
