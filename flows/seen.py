"""Which events were seen in the last ten minutes: their ids in Redis, each with the place of its first record.

The place makes it right across crashes: a record that finds its own place was read before and is no repetition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from rapport.errors import BusUnavailable

__all__ = ["REMEMBERED_S", "SeenEvents"]

REMEMBERED_S = 600
_PREFIX = "rapport:seen"
_CLAIM = """
local own = {}
for i = 1, #KEYS do
  if redis.call('SET', KEYS[i], ARGV[i + 1], 'NX', 'EX', ARGV[1]) then
    own[i] = 1
  else
    own[i] = redis.call('GET', KEYS[i]) == ARGV[i + 1] and 1 or 0
  end
end
return own
"""


class SeenEvents:
    """The memory of ids, in Redis. `claim` is a flows.check.Claim.

    Args:
        client: a Redis client with a timeout.
        remembered_s: for how long an id is remembered, seconds of the system's time.
    """

    def __init__(self, client: redis.Redis, *, remembered_s: int = REMEMBERED_S) -> None:
        self._claim: Any = client.register_script(_CLAIM)
        self._remembered_s = remembered_s

    def claim(self, topic: str, event_ids: Sequence[str], places: Sequence[str]) -> list[bool]:
        """Whether each id belongs to its place: new, or claimed by this very place before.

        Raises:
            BusUnavailable: Redis does not answer; claiming again is safe.
        """
        keys = [f"{_PREFIX}:{topic}:{event_id}" for event_id in event_ids]
        try:
            return [bool(own) for own in self._claim(keys=keys, args=[self._remembered_s, *places])]
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise BusUnavailable(f"Redis does not answer for {_PREFIX}: {error}") from error
