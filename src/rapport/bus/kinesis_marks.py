"""What is kept in Redis of how far shards have been read.

A position in a shard is the number of records read of it, for sequence numbers do not fit one. It is stored with the
sequence number of the last record and that record's arrival, `12-0@4959…@1700000000000`, as one text that a commit
compares and replaces. Which number a record has never changes: the first record that was read after a position without
a sequence number is noted before any is handed out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rapport.bus.protocol import Position
from rapport.errors import BusUnavailable

__all__ = ["NOTHING_READ", "Checkpoint", "Marks"]

_PREFIX = "rapport:kinesis"
_BEGUN = f"{_PREFIX}:begun"
_READ_TO = f"{_PREFIX}:read_to"


class Checkpoint(NamedTuple):
    """How far a shard has been read.

    Attributes:
        read: how many of its records.
        sequence: of the last one; "": none since the oldest one was asked for.
        arrival_ms: of the last one.
    """

    read: int
    sequence: str = ""
    arrival_ms: int = 0

    @property
    def position(self) -> Position:
        return Position(self.read, 0)

    @property
    def text(self) -> str:
        """As it is stored."""
        return f"{self.read}-0@{self.sequence}@{self.arrival_ms}" if self.sequence else f"{self.read}-0"

    @classmethod
    def parse(cls, text: bytes) -> Checkpoint:
        """What was stored."""
        place, _, rest = text.decode().partition("@")
        sequence, _, arrival = rest.partition("@")
        return cls(int(place.partition("-")[0]), sequence, int(arrival or 0))


NOTHING_READ = Checkpoint(0)


class Marks:
    """Notes on shards. A place is `<topic>@<incarnation>:<shard number>`. Safe for threads.

    Args:
        redis_url: the Redis that has the positions.
        timeout_s: longest wait for an answer, seconds.
    """

    def __init__(self, redis_url: str, *, timeout_s: float = 5.0) -> None:
        self._redis: Any = redis.Redis.from_url(
            redis_url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._redis.close()

    def first(self, place: str, count: int) -> str:
        """The sequence number of the record that follows a count without one; "": none was read yet."""
        with _reached():
            return str(self._redis.hget(_BEGUN, f"{place}:{count}") or "")

    def begin(self, place: str, count: int, sequence: str) -> str:
        """Note that record, once and for all; returns the one that is noted."""
        with _reached():
            self._redis.hsetnx(_BEGUN, f"{place}:{count}", sequence)
            return str(self._redis.hget(_BEGUN, f"{place}:{count}"))

    def read_to(self, place: str) -> int:
        """Until when all that had arrived in a shard is known to have been read and committed; milliseconds."""
        with _reached():
            return int(self._redis.hget(_READ_TO, place) or 0)

    def note_read_to(self, times_ms: Mapping[str, int]) -> None:
        with _reached():
            self._redis.hset(_READ_TO, mapping=dict(times_ms))

    def take(self, group: str, stream: str, numbers: Iterable[int]) -> None:
        """Note that a group reads these shards of a stream from now on."""
        with _reached():
            self._redis.sadd(f"{_PREFIX}:taken:{group}:{stream}", *numbers)

    def end(self, group: str, stream: str, numbers: Iterable[int]) -> None:
        """Note that a group has read these shards to their ends, and committed that."""
        with _reached():
            self._redis.sadd(f"{_PREFIX}:ended:{group}:{stream}", *numbers)

    def taken_and_ended(self, group: str, stream: str) -> tuple[set[int], set[int]]:
        """The numbers of the shards that a group has begun, and of those that it is through with."""
        with _reached():
            taken, ended = (self._redis.smembers(f"{_PREFIX}:{kind}:{group}:{stream}") for kind in ("taken", "ended"))
        return {int(number) for number in taken}, {int(number) for number in ended}


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise BusUnavailable(f"Redis does not answer for {_PREFIX}: {error}") from error
