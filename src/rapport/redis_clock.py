"""The world clock that Redis holds, looked up now and then."""

from __future__ import annotations

import logging
import time
from typing import Any

import redis

from rapport.clock import WORLD_CLOCK_KEY, WorldClock, parse_clock
from rapport.errors import BusUnavailable

__all__ = ["RedisClock"]

_log = logging.getLogger(__name__)
_SYSTEM = WorldClock()


class RedisClock:
    """Gives the world's time by the clock that is published under WORLD_CLOCK_KEY; without one, the system's time.

    Args:
        client: a Redis client with a timeout; used at most once per `refresh_s`.
        refresh_s: how old a look-up may be, seconds.
    """

    def __init__(self, client: redis.Redis, *, refresh_s: float = 0.5) -> None:
        self._redis: Any = client
        self._refresh_s = refresh_s
        self._world: WorldClock | None = None
        self._looked_at_s = 0.0

    def now_us(self) -> int:
        """The world's time now, microseconds, UTC."""
        return self.world().now_us()

    def at(self, system_us: int) -> int:
        """The world's time at a system time, both in microseconds."""
        return self.world().at(system_us)

    def world(self) -> WorldClock:
        """The clock in force. While Redis does not answer, the last one known.

        Raises:
            BusUnavailable: Redis does not answer, and never has.
        """
        now_s = time.monotonic()
        if self._world is None or now_s - self._looked_at_s >= self._refresh_s:
            self._world = self._look_up()
            self._looked_at_s = now_s
        return self._world

    def _look_up(self) -> WorldClock:
        try:
            found = self._redis.get(WORLD_CLOCK_KEY)
            return parse_clock(found) if found else _SYSTEM
        except (redis.ConnectionError, redis.TimeoutError) as error:
            if self._world is None:
                raise BusUnavailable(f"Redis does not answer for {WORLD_CLOCK_KEY}: {error}") from error
        except ValueError as error:
            _log.error("%s", error)
        return self._world or _SYSTEM
