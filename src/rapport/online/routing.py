"""Which server holds which row: one for all, or in a Redis Cluster by the slot of its key."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import redis
from redis.cluster import RedisCluster
from redis.exceptions import SlotNotCoveredError

from rapport.online.packed import Longs, Packed
from rapport.windows.compiled import jit

__all__ = ["AnyRedis", "Router", "router_of", "slots_of"]

AnyRedis = redis.Redis | RedisCluster
"""A client of one server or of a cluster: both take the same commands."""

_OPEN, _CLOSE = 123, 125
_POLYNOMIAL = 0x1021
_SLOTS = 16_384


class Router(Protocol):
    """Says where rows are, as far as is known."""

    rows_per_call: int
    """How many rows a script may take at once."""

    def route(self, keys: Packed, rows: Longs) -> list[tuple[redis.Redis, Longs]]:
        """For each server concerned, its client, and which of `rows` (int64[m], numbers of keys) it holds."""

    def find_again(self) -> None:
        """Look where rows are now: a server did not answer."""


class _One:
    """All rows on one server."""

    rows_per_call = 200

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def route(self, keys: Packed, rows: Longs) -> list[tuple[redis.Redis, Longs]]:
        return [(self._client, rows)] if len(rows) else []

    def find_again(self) -> None:
        """There is no other."""


class _Slots:
    """Rows on the nodes of a cluster. A script may touch one slot only, so it takes one row."""

    rows_per_call = 1

    def __init__(self, cluster: RedisCluster) -> None:
        self._cluster = cluster

    def route(self, keys: Packed, rows: Longs) -> list[tuple[redis.Redis, Longs]]:
        cached: dict[int, list[Any]] = self._cluster.nodes_manager.slots_cache
        slots = slots_of(keys, rows).tolist()
        nodes: dict[str, Any] = {}
        parts: dict[str, list[int]] = {}
        for row, slot in zip(rows.tolist(), slots, strict=True):
            if slot not in cached:
                raise SlotNotCoveredError(f"no node of the cluster is known to have slot {slot}")
            node = cached[slot][0]
            nodes[node.name] = node
            parts.setdefault(node.name, []).append(row)
        client = self._cluster.get_redis_connection
        return [(client(node), np.array(parts[name], np.int64)) for name, node in nodes.items()]

    def find_again(self) -> None:
        self._cluster.nodes_manager.initialize()


def router_of(client: AnyRedis) -> Router:
    return _Slots(client) if isinstance(client, RedisCluster) else _One(client)


def slots_of(keys: Packed, rows: Longs) -> Longs:
    """The hash slots of some keys."""
    slots = np.empty(len(rows), np.int64)
    _write_slots(*keys, rows, _TABLE, slots)
    return slots


def _table() -> Longs:
    table = np.arange(256, dtype=np.int64) << 8
    for _ in range(8):
        table = np.where(table & 0x8000, (table << 1) ^ _POLYNOMIAL, table << 1) & 0xFFFF
    return table


_TABLE = _table()
"""CRC16 as Redis Cluster has it (XMODEM), by byte."""


@jit
def _tagged(data, start, end):
    """The part of a key that is hashed: what is within the first braces, if there is anything."""
    for i in range(start, end):
        if data[i] == _OPEN:
            for j in range(i + 1, end):
                if data[j] == _CLOSE:
                    return (i + 1, j) if j > i + 1 else (start, end)
            return start, end
    return start, end


@jit
def _write_slots(keys, starts, rows, table, slots):
    for i in range(len(rows)):
        start, end = _tagged(keys, starts[rows[i]], starts[rows[i] + 1])
        crc = np.int64(0)
        for at in range(start, end):
            crc = ((crc << 8) & 0xFFFF) ^ table[((crc >> 8) ^ np.int64(keys[at])) & 0xFF]
        slots[i] = crc & (_SLOTS - 1)
