"""Which events came in the last ten minutes: their ids in Redis, each with the place of its first record.

The place makes it right across crashes: a record that finds its own place was read before and is no repetition. And ids
are kept by when their records arrived on the bus, not by when they are read: however long the flow is down or behind,
two records that arrived within ten minutes are told to be one event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from rapport.errors import BusUnavailable

__all__ = ["REMEMBERED_S", "SeenEvents", "share_seen"]

REMEMBERED_S = 600
_PREFIX = "rapport:seen"
_FORGOTTEN_S = 86_400
"""A period of arrivals that ingest has not passed is kept for this long after it was last looked at."""
_CLAIM = """
local call, known, used = redis.call, {}, {}
for at = 2, #ARGV, 3 do
  local period, id, place = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  if known[period - 1] == nil then known[period - 1] = call('EXISTS', KEYS[period - 1]) == 1 end
  local first = known[period - 1] and call('HGET', KEYS[period - 1], id)
  if not first and call('HSETNX', KEYS[period], id, place) == 1 then
    used[period], known[period] = true, true
    ARGV[at] = 1
  else
    ARGV[at] = (first or call('HGET', KEYS[period], id)) == place and 1 or 0
  end
end
for period in pairs(used) do call('EXPIRE', KEYS[period], ARGV[1]) end
call('UNLINK', KEYS[1])
local own = {}
for at = 2, #ARGV, 3 do own[#own + 1] = ARGV[at] end
return own
"""
"""KEYS: periods of arrivals, one after the other; the first is passed and forgotten. ARGV: seconds to keep a period,
then per id its period's place in KEYS (from 3 on), the id, and its record's place. Answers 1 or 0 per id."""


class SeenEvents:
    """The memory of ids, in Redis. `claim` is a flows.check.Claim.

    Args:
        client: a Redis client with a timeout.
        remembered_s: for how long at least an id is remembered, seconds between arrivals.
    """

    def __init__(self, client: redis.Redis, *, remembered_s: int = REMEMBERED_S) -> None:
        self._claim: Any = client.register_script(_CLAIM)
        self._period_us = remembered_s * 1_000_000

    def claim(
        self,
        topic: str,
        partition: int,
        event_ids: Sequence[str],
        places: Sequence[str],
        arrivals_us: Sequence[int],
    ) -> list[bool]:
        """Whether each id belongs to its place: new, or claimed by this very place before.

        Raises:
            BusUnavailable: Redis does not answer; claiming again is safe.
        """
        periods = [arrival_us // self._period_us for arrival_us in arrivals_us]
        # Arrivals ascend within a partition, and a batch rarely spans two periods.
        passed = min(periods) - 2
        keys = [f"{_of_partition(topic, partition)}{period}" for period in range(passed, max(periods) + 1)]
        args: list[Any] = [_FORGOTTEN_S]
        for period, event_id, place in zip(periods, event_ids, places, strict=True):
            args += (period - passed + 1, event_id, place)
        try:
            return [bool(own) for own in self._claim(keys=keys, args=args)]
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise BusUnavailable(f"Redis does not answer for {_PREFIX}: {error}") from error


def share_seen(client: redis.Redis, topics: Sequence[str], before: int, partitions: int) -> None:
    """Let all partitions of each topic remember what any of them does: for another number of partitions, after which an
    event that is sent again may go to another one than at first. Safe to repeat.

    Raises:
        BusUnavailable
    """
    try:
        for topic in topics:
            for partition in range(before):
                own = _of_partition(topic, partition)
                for key in client.scan_iter(f"{own}*", count=1_000):
                    period = key.decode().removeprefix(own)
                    _copy(client, f"{own}{period}", [f"{_of_partition(topic, to)}{period}" for to in range(partitions)])
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise BusUnavailable(f"Redis does not answer for {_PREFIX}: {error}") from error


def _copy(client: redis.Redis, key: str, to: Sequence[str]) -> None:
    for name in to:
        for event_id, place in client.hscan_iter(key, count=1_000):
            client.hset(name, event_id, place)
        client.expire(name, _FORGOTTEN_S)


def _of_partition(topic: str, partition: int) -> str:
    return f"{_PREFIX}:{{{topic}:{partition}}}:"
