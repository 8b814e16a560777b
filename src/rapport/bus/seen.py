"""Which events came in the last ten minutes: their ids, each with the place of its first record.

The place makes it right across crashes: a record that finds its own place was read before and is no repetition. And ids
are kept by when their records arrived on the bus, not by when they are read: however long the flow is down or behind,
two records that arrived within ten minutes are told to be one event.

Looked up in the process, kept in Redis: what is claimed is appended there before the claim is answered, and a process
that takes a partition over reads it first. An id is its 128-bit Murmur3 hash, a place 64 bits of its mixed numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeAlias

import mmh3
import numpy as np
import numpy.typing as npt
import redis

from rapport.bus.id_table import IdTable, Mask, Words
from rapport.bus.protocol import Position
from rapport.errors import BusUnavailable

__all__ = ["REMEMBERED_S", "SeenEvents", "share_seen"]

REMEMBERED_S = 600
_PREFIX = "rapport:seen"
Continues: TypeAlias = Callable[[str, int], Sequence[int]]
_FORGOTTEN_S = 86_400
"""A period of arrivals that ingest has not passed is kept for this long after it was last added to."""
_WORD = 2**64 - 1
_AT_ONCE = 500
"""Elements of a list that are read at a time; each has the ids of a batch."""


def _nothing(_topic: str, _partition: int) -> Sequence[int]:
    return ()


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
        self._continues = continues
        self._period_us = remembered_s * 1_000_000
        self._tables: dict[tuple[str, int], dict[int, IdTable]] = {}

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
        entries = _entries(event_ids, partition, positions)
        periods = np.fromiter(arrivals_us, np.int64, len(entries)) // self._period_us
        try:
            tables = self._loaded(topic, partition, periods)
            return self._claim(topic, partition, tables, entries, periods)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            # What was claimed may not be kept.
            self.forget(topic, partition)
            raise BusUnavailable(f"Redis does not answer for {_PREFIX}: {error}") from error

    def forget(self, topic: str, partition: int) -> None:
        """Read the partition's ids anew before the next claim: another process may have read the partition since."""
        self._tables.pop((topic, partition), None)

    def _claim(
        self, topic: str, partition: int, tables: dict[int, IdTable], entries: Words, periods: npt.NDArray[np.int64]
    ) -> Mask:
        own = np.zeros(len(entries), np.bool_)
        fresh: dict[int, bytes] = {}
        # Arrivals ascend within a partition, and a batch rarely spans two periods.
        for period in np.unique(periods).tolist():
            those = np.flatnonzero(periods == period)
            claimed = tables[period - 1].find(entries[those])
            others = claimed == 0
            claimed[others], new = tables[period].add(entries[those[others]])
            own[those] = claimed == entries[those, 2]
            if new.any():
                fresh[period] = entries[those[others][new]].tobytes()
        self._keep(topic, partition, fresh, passed=int(periods.min()) - 2)
        return own

    def _keep(self, topic: str, partition: int, fresh: dict[int, bytes], passed: int) -> None:
        if not fresh:
            return
        key = _of_partition(topic, partition)
        pipeline = self._redis.pipeline(transaction=False)
        for period, content in fresh.items():
            pipeline.rpush(f"{key}{period}", content)
            pipeline.expire(f"{key}{period}", _FORGOTTEN_S)
        pipeline.unlink(f"{key}{passed}")
        pipeline.execute()

    def _loaded(self, topic: str, partition: int, periods: npt.NDArray[np.int64]) -> dict[int, IdTable]:
        """The tables of the batch's periods and of the one before; others are let go."""
        tables = self._tables.setdefault((topic, partition), {})
        wanted = range(int(periods.min()) - 1, int(periods.max()) + 1)
        for period in wanted:
            if period not in tables:
                tables[period] = self._load(topic, partition, period)
        for period in tables.keys() - set(wanted):
            del tables[period]
        return tables

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
                    client.rpush(f"{_of_partition(topic, to)}{period}", content)
                    client.expire(f"{_of_partition(topic, to)}{period}", _FORGOTTEN_S)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise BusUnavailable(f"Redis does not answer for {_PREFIX}: {error}") from error


def _contents(client: Any, key: str) -> Iterable[bytes]:
    at = 0
    while parts := client.lrange(key, at, at + _AT_ONCE - 1):
        yield from parts
        at += len(parts)


def _entries(event_ids: Sequence[str], partition: int, positions: Sequence[Position]) -> Words:
    """uint64[n, 3]: two words of an id's hash, of which the first is odd, and the hash of its place, odd as well."""
    hashes = b"".join(map(mmh3.hash_bytes, event_ids))
    entries = np.empty((len(event_ids), 3), np.uint64)
    entries[:, :2] = np.frombuffer(hashes, np.uint64).reshape(-1, 2)
    places = np.fromiter(chain.from_iterable(positions), np.uint64, 2 * len(event_ids)).reshape(-1, 2)
    entries[:, 2] = _mixed(_mixed(places[:, 0] + np.uint64(partition << 48 & _WORD)) + places[:, 1])
    entries[:, [0, 2]] |= np.uint64(1)
    return entries


def _mixed(numbers: Words) -> Words:
    """SplitMix64's finalizer: every bit of a number changes about half of the result's."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _of_partition(topic: str, partition: int) -> str:
    return f"{_PREFIX}:{{{topic}:{partition}}}:"
