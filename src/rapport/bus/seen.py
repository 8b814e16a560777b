"""Which events came in the last ten minutes: their ids, each with the place of its first record.

The place makes it right across crashes: a record that finds its own place was read before and is no repetition. And ids
are kept by when their records arrived on the bus, not by when they are read: however long the flow is down or behind,
two records that arrived within ten minutes are told to be one event.

Looked up in the process, kept in Redis: what is claimed is appended there before the claim is answered, and a process
that takes a partition over reads it first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import redis

from rapport.bus.id_entries import entries_of
from rapport.bus.id_table import IdTable, Mask, Words
from rapport.bus.protocol import Position
from rapport.errors import BusUnavailable

__all__ = ["REMEMBERED_S", "SeenEvents", "share_seen"]

REMEMBERED_S = 600
_PREFIX = "rapport:seen"
Continues: TypeAlias = Callable[[str, int], Sequence[int]]
_FORGOTTEN_S = 86_400
"""A period of arrivals that ingest has not passed is kept for this long after it was last added to..."""
_RENEWED_S = 3_600
"""... or for this much less: a list's time to live is not set with every batch."""
_AT_ONCE = 500
"""Elements of a list that are read at a time; each has the ids of a batch."""


def _nothing(_topic: str, _partition: int) -> Sequence[int]:
    return ()


class _Period:
    """The ids of a period of a partition's arrivals, and when this process last gave their list its time to live."""

    def __init__(self, ids: IdTable) -> None:
        self.ids = ids
        self.renewed_s = -math.inf


class SeenEvents:
    """The memory of ids. Of one thread.

    Args:
        client: a Redis client with a timeout.
        continues: the partitions that one has taken over (Bus.continues): what they have seen, it has.
        remembered_s: for how long at least an id is remembered, seconds between arrivals.
    """

    def __init__(
        self, client: redis.Redis, continues: Continues = _nothing, *, remembered_s: int = REMEMBERED_S
    ) -> None:
        self._redis: Any = client
        self._kept: Any = None
        self._continues = continues
        self._period_us = remembered_s * 1_000_000
        self._periods: dict[tuple[str, int], dict[int, _Period]] = {}

    def claim(
        self,
        topic: str,
        partition: int,
        event_ids: Sequence[str],
        positions: Sequence[Position],
        arrivals_us: Sequence[int],
    ) -> Mask:
        """Whether each id belongs to its place: new, or claimed by this very place before; bool[n].

        Args:
            topic, partition: where the records are.
            event_ids: n ids, in the order of their records.
            positions: of the records.
            arrivals_us: when each arrived; system time, microseconds.

        Raises:
            BusUnavailable: Redis does not answer; claiming again is safe.
        """
        entries = entries_of(event_ids, partition, positions)
        # A batch's records arrived at few different milliseconds.
        numbers = sorted({arrival_us // self._period_us for arrival_us in set(arrivals_us)})
        try:
            periods = self._loaded(topic, partition, numbers)
            own, fresh = self._claimed(periods, numbers, entries, arrivals_us)
            for number, content in fresh.items():
                self._append(f"{_of_partition(topic, partition)}{number}", periods[number], content)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            # What was claimed may not be kept.
            self.forget(topic, partition)
            raise BusUnavailable(f"Redis does not answer for {_PREFIX}: {error}") from error
        return own

    def forget(self, topic: str, partition: int) -> None:
        """Read the partition's ids anew before the next claim: another process may have read the partition since."""
        self._periods.pop((topic, partition), None)

    def _claimed(
        self, periods: dict[int, _Period], numbers: Sequence[int], entries: Words, arrivals_us: Sequence[int]
    ) -> tuple[Mask, dict[int, bytes]]:
        """Whether each entry belongs to its place, and by their period those that are new."""
        own = np.empty(len(entries), np.bool_)
        fresh: dict[int, bytes] = {}
        # Arrivals ascend within a partition, and a batch rarely spans two periods.
        for number in numbers:
            those = ... if len(numbers) == 1 else np.array(arrivals_us, np.int64) // self._period_us == number
            part = entries[those]
            claimed, new = periods[number].ids.add(part, before=periods[number - 1].ids)
            own[those] = claimed == part[:, 2]
            if new.any():
                fresh[number] = part[new].tobytes()
        return own, fresh

    def _append(self, key: str, period: _Period, content: bytes) -> None:
        """Append to a period's list, which is only ever begun together with its time to live."""
        now_s = time.monotonic()
        if now_s < period.renewed_s + _RENEWED_S and self._appended(key, content):
            return
        _append_lasting(self._redis, key, content)
        period.renewed_s = now_s

    def _appended(self, key: str, content: bytes) -> bool:
        """Whether there is such a list, which is then appended to."""
        if self._kept is None:
            # To take a connection from the pool for each batch costs twice as much as the command.
            self._kept = self._redis.client()
        try:
            return bool(self._kept.rpushx(key, content))
        except redis.ConnectionError:
            # One that was idle may have been closed. Ids that are there twice do no harm.
            return bool(self._kept.rpushx(key, content))

    def _loaded(self, topic: str, partition: int, numbers: Sequence[int]) -> dict[int, _Period]:
        """The batch's periods and the one before; others are let go, in Redis too, except that the one before these may
        be needed by batches that are not committed yet and may be read again."""
        periods = self._periods.get((topic, partition), {})
        wanted = sorted({*numbers, *(number - 1 for number in numbers)})
        if list(periods) != wanted:
            periods = {n: periods.get(n) or _Period(self._load(topic, partition, n)) for n in wanted}
            self._redis.unlink(f"{_of_partition(topic, partition)}{wanted[0] - 2}")
            self._periods[topic, partition] = periods
        return periods

    def _load(self, topic: str, partition: int, period: int) -> IdTable:
        table = IdTable()
        # Those that were taken over have been read to their ends: nothing is added to theirs any more.
        for one in (*self._continues(topic, partition), partition):
            for content in _contents(self._redis, f"{_of_partition(topic, one)}{period}"):
                table.add(np.frombuffer(bytearray(content), np.uint64).reshape(-1, 3))
        return table


def share_seen(client: redis.Redis, topics: Sequence[str], before: int, partitions: int) -> None:
    """Let all partitions of each topic remember what any of them does: for another number of partitions, after which an
    event that is sent again may go to another one than at first. Safe to repeat.

    Raises:
        BusUnavailable
    """
    try:
        for topic in topics:
            periods: dict[str, list[str]] = {}
            for partition in range(before):
                own = _of_partition(topic, partition)
                for key in client.scan_iter(f"{own}*", count=1_000):
                    periods.setdefault(key.decode().removeprefix(own), []).append(key.decode())
            for period, keys in periods.items():
                # All that is read first: a list is not read while it is added to.
                content = b"".join(part for key in keys for part in _contents(client, key))
                for to in range(partitions):
                    _append_lasting(client, f"{_of_partition(topic, to)}{period}", content)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise BusUnavailable(f"Redis does not answer for {_PREFIX}: {error}") from error


def _append_lasting(client: Any, key: str, content: bytes) -> None:
    pipeline = client.pipeline(transaction=True)
    pipeline.rpush(key, content)
    pipeline.expire(key, _FORGOTTEN_S)
    pipeline.execute()


def _contents(client: Any, key: str) -> Iterable[bytes]:
    at = 0
    while parts := client.lrange(key, at, at + _AT_ONCE - 1):
        yield from parts
        at += len(parts)


def _of_partition(topic: str, partition: int) -> str:
    return f"{_PREFIX}:{{{topic}:{partition}}}:"
