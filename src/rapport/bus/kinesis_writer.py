"""Writing to a stream: 500 records at a time, those that were refused again, a customer's always in order."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from rapport.bus.kinesis_keys import hash_of, partition_key
from rapport.bus.kinesis_link import KinesisLink, Throttled
from rapport.bus.protocol import Message
from rapport.errors import BusError, BusFull, BusUnavailable

__all__ = ["check_sizes", "put"]

_RECORDS = 500
_BYTES = 5 * 1024 * 1024
_RECORD_BYTES = 1024 * 1024
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0


def put(link: KinesisLink, stream: str, messages: Sequence[Message]) -> None:
    """Append all messages of a stream; on return Kinesis holds them.

    Args:
        link: to Kinesis. Its timeout is also how long a stream that refuses is asked again without any progress.
        stream: its name.
        messages: what to append. Of those with one key each is sent when the one before it is held.

    Raises:
        BusFull: the stream is over its throughput; nothing of this call was published.
        BusUnavailable: a part may have been published.
    """
    waiting: dict[str, deque[dict[str, Any]]] = {}
    for message in messages:
        waiting.setdefault(message.key, deque()).append(_record(message))
    keys = deque(waiting)
    held, tries, deadline_s = 0, 0, time.monotonic() + link.timeout_s
    while keys:
        # At most one of a key: if it is refused, none of its later ones was taken.
        sent = _next(keys, waiting)
        refused = _refused(link, stream, [waiting[key][0] for key in sent])
        for key, again in zip(sent, refused, strict=True):
            if not again:
                waiting[key].popleft()
            if waiting[key]:
                (keys.appendleft if again else keys.append)(key)
        taken = len(sent) - sum(refused)
        held += taken
        if taken:
            tries, deadline_s = 0, time.monotonic() + link.timeout_s
        if any(refused):
            tries += 1
            _wait(stream, tries, deadline_s, held)


def check_sizes(messages: Sequence[Message]) -> None:
    """
    Raises:
        BusError: a record is larger than Kinesis takes.
    """
    for message in messages:
        size = len(message.value) + len(partition_key(message).encode())
        if size > _RECORD_BYTES:
            raise BusError(f"a record for {message.topic} has {size:,} bytes: Kinesis takes {_RECORD_BYTES:,}")


def _record(message: Message) -> dict[str, Any]:
    key = partition_key(message)
    record: dict[str, Any] = {"Data": message.value, "PartitionKey": key}
    return record if key == message.key else {**record, "ExplicitHashKey": hash_of(message.key)}


def _next(keys: deque[str], waiting: dict[str, deque[dict[str, Any]]]) -> list[str]:
    """The keys whose first records fit into one call; they are taken off `keys`."""
    sent: list[str] = []
    size = 0
    while keys and len(sent) < _RECORDS:
        record = waiting[keys[0]][0]
        size += len(record["Data"]) + len(record["PartitionKey"].encode())
        if sent and size > _BYTES:
            break
        sent.append(keys.popleft())
    return sent


def _refused(link: KinesisLink, stream: str, records: list[dict[str, Any]]) -> list[bool]:
    """Which records Kinesis did not take."""
    try:
        answer = link.call("put_records", StreamName=stream, Records=records)
    except Throttled:
        return [True] * len(records)
    return [bool(one.get("ErrorCode")) for one in answer["Records"]]


def _wait(stream: str, tries: int, deadline_s: float, held: int) -> None:
    # Jitter, so that producers that were refused together do not come back together.
    wait_s = random.uniform(0.5, 1.0) * min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**tries)  # noqa: S311
    if time.monotonic() + wait_s < deadline_s:
        time.sleep(wait_s)
        return
    text = f"stream {stream} is over its throughput: send less, or give it more shards"
    if held:
        raise BusUnavailable(f"{text}; {held} records of this call are held, and may be sent again: their ids tell")
    raise BusFull(text)
