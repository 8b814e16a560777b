"""The durable counters on Kafka: a compacted topic of totals, written in the transaction that moves the position.

A total belongs to a group, topic, partition and name, so it has one writer at a time: whoever may move that position.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from rapport.bus.kafka_cluster import KafkaCluster
from rapport.bus.kafka_scan import Scanner
from rapport.errors import BusUnavailable

__all__ = ["COUNTS", "CountKey", "KafkaCounts"]

COUNTS = "rapport.counts"
"""The topic of the counters."""

CountKey: TypeAlias = tuple[str, str, int, str]
"""Group, topic, partition and name."""

_AT_ONCE = 10_000


class KafkaCounts:
    """The totals, as far as they have been read. Safe for threads."""

    def __init__(self, cluster: KafkaCluster, scanner: Scanner) -> None:
        self._cluster = cluster
        self._scanner = scanner
        self._lock = threading.Lock()
        self._totals: dict[CountKey, int] = {}
        self._next = 0

    def ensure(self) -> None:
        """Create the topic unless it is there.

        Raises:
            SettingsError, BusUnavailable
        """
        # Small segments: compaction leaves the newest one alone, and whoever reads the totals reads all of it.
        self._cluster.ensure(
            [COUNTS],
            partitions=1,
            cleanup_policy="compact",
            segment_bytes=str(16 * 1024 * 1024),
            segment_ms=str(3_600_000),
            min_cleanable_dirty_ratio="0.2",
            retention_ms="-1",
        )

    def totals(self) -> dict[CountKey, int]:
        """All totals of what was committed before this call.

        Raises:
            BusUnavailable
        """
        with self._lock:
            self.ensure()
            place = (COUNTS, 0)
            end = self._cluster.extents([place])[place].end
            deadline = time.monotonic() + self._cluster.link.timeout_s
            while self._next < end:
                found, self._next = self._scanner.read(self, *place, self._next, _AT_ONCE, end)
                for record in found:
                    self._totals[_key(record.key())] = int(record.value())
                if not found and self._next < end and time.monotonic() > deadline:
                    raise BusUnavailable(f"a transaction that writes {COUNTS} has been open for a while")
            return dict(self._totals)

    def sums(self, prefix: str) -> dict[str, int]:
        """The sum of each name that starts with `prefix`, over groups, topics and partitions.

        Raises:
            BusUnavailable
        """
        found: Counter[str] = Counter()
        for (_, _, _, name), total in self.totals().items():
            if name.startswith(prefix):
                found[name] += total
        return dict(sorted(found.items()))


def to_record(key: CountKey, total: int) -> tuple[bytes, bytes]:
    """A total as key and value of a record."""
    return msgspec.json.encode(key), b"%d" % total


def _key(stored: bytes) -> CountKey:
    group, topic, partition, name = msgspec.json.decode(stored)
    return group, topic, partition, name


class Own:
    """The totals that this process goes on from, for the places whose positions it moves.

    A place's are read when its term begins: a term is whatever changes when another process may have added meanwhile.
    """

    def __init__(self, counts: KafkaCounts) -> None:
        self._counts = counts
        self._terms: dict[tuple[str, str, int], Any] = {}
        self._totals: dict[tuple[str, str, int], dict[str, int]] = {}

    def added(self, place: tuple[str, str, int], term: object, amounts: Mapping[str, int]) -> dict[str, int]:
        """The new totals of the names in `amounts`.

        Raises:
            BusUnavailable
        """
        if self._terms.get(place) != term:
            every = self._counts.totals()
            self._totals[place] = {key[3]: total for key, total in every.items() if key[:3] == place}
            self._terms[place] = term
        known = self._totals[place]
        return {name: known.get(name, 0) + amount for name, amount in amounts.items()}

    def keep(self, place: tuple[str, str, int], totals: Mapping[str, int]) -> None:
        """These new totals are committed."""
        self._totals[place].update(totals)

    def forget(self) -> None:
        """It is not known any more what was committed: read it again."""
        self._terms.clear()
