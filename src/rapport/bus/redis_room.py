"""Whether Redis may take more events: its last memory is for the flows, which free it by what they do."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import redis

from rapport.errors import BusFull

__all__ = ["PRODUCERS_SHARE", "MemoryRoom", "memory_of"]

PRODUCERS_SHARE = 0.85
"""Of Redis's memory: from this much on producers are refused. If they took the rest too, ingest could not write what it
has checked, so nothing would be freed, ever."""
_KNOWN_FOR_S = 0.25


def memory_of(told: Mapping[str, Any]) -> tuple[int, int]:
    """Memory that a Redis uses and may use, bytes: `maxmemory`, or without one the machine's; 0: unknown.

    Args:
        told: what INFO says of memory.
    """
    return int(told["used_memory"]), int(told.get("maxmemory") or told.get("total_system_memory", 0))


class MemoryRoom:
    """Asks Redis now and then how much memory is left. For any thread.

    Args:
        client: Redis.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client: Any = client
        self._lock = threading.Lock()
        self._known_until_s = 0.0
        self._used = self._limit = 0

    def check(self) -> None:
        """
        Raises:
            BusFull: producers have had their share.
            redis.RedisError
        """
        with self._lock:
            now_s = time.monotonic()
            if now_s >= self._known_until_s:
                self._used, self._limit = memory_of(self._client.info("memory"))
                self._known_until_s = now_s + _KNOWN_FOR_S
        if self._limit and self._used > PRODUCERS_SHARE * self._limit:
            raise BusFull(
                f"Redis uses {self._used / 1e6:,.0f} MB of the {self._limit / 1e6:,.0f} that it may, and the rest is "
                "kept for what works off the events that wait: wait until its consumers have caught up (`rapport "
                "status` shows their lag), or give it more (RAPPORT_REDIS_MEMORY_MB; `maxmemory` of your own)"
            )
