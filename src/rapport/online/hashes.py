"""Reading the same fields of many hashes in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
import redis.asyncio

from rapport.online.connect import reachable

__all__ = ["Reply", "read_hashes", "read_hashes_async"]

Reply = Sequence[bytes | None]
"""The values of the fields asked for, in order; None where a hash has no such field."""


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


async def read_hashes_async(
    client: redis.asyncio.Redis, keys: Sequence[bytes], fields: Sequence[bytes], what: str
) -> list[Reply]:
    """The same, without blocking the event loop."""
    commands: Any = client
    with reachable(what):
        if len(keys) == 1:
            return [await commands.hmget(keys[0], fields)]
        async with commands.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(key, fields)
            replies: list[Reply] = await pipe.execute()
        return replies
