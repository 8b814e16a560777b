"""Reading the same fields of many hashes in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from rapport.online.connect import reachable
from rapport.online.questions import Reply

__all__ = ["read_hashes"]


def read_hashes(client: redis.Redis, keys: Sequence[bytes], fields: Sequence[bytes], what: str) -> list[Reply]:
    """The fields of each hash. `what` says what is being done.

    Raises:
        StoreUnavailable
    """
    # redis-py declares hash names as str only.
    commands: Any = client
    with reachable(what):
        if len(keys) == 1:
            return [commands.hmget(keys[0], fields)]
        with commands.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(key, fields)
            replies: list[Reply] = pipe.execute()
        return replies
