"""Connections to the online store: with timeouts and no retries, so that a frozen Redis is noticed, not waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio

from rapport.embedded import redis_url
from rapport.errors import ServiceError, StoreUnavailable
from rapport.settings import Settings

__all__ = ["WRITE_TIMEOUT_S", "connect", "connect_async", "reachable"]

WRITE_TIMEOUT_S = 10.0
"""Timeout of writers: long enough for a busy server, as nobody waits for them."""


def connect(settings: Settings, *, timeout_s: float | None = None) -> redis.Redis:
    """A client of this installation's Redis; connects at its first command.

    Args:
        timeout_s: socket and connect timeout; default the settings' redis_timeout_ms.

    Raises:
        StoreUnavailable: there is no address: no URL is set, and the embedded Redis has never been started.
    """
    client: redis.Redis = redis.Redis.from_url(_url(settings), **_options(settings, timeout_s))
    return client


def connect_async(settings: Settings, *, timeout_s: float | None = None) -> redis.asyncio.Redis:
    """The same for asyncio."""
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(_url(settings), **_options(settings, timeout_s))
    return client


@contextmanager
def reachable(what: str) -> Iterator[None]:
    """Turn a server that does not answer into StoreUnavailable. `what` says what was being done.

    Raises:
        StoreUnavailable: no connection, or no answer within the timeout.
    """
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise StoreUnavailable(
            f"the online store did not answer while {what}: {error}. Is Redis up (`rapport status`), and reachable "
            "at RAPPORT_REDIS_URL or the connection_string of feature_store.yaml?"
        ) from error


def _url(settings: Settings) -> str:
    try:
        return redis_url(settings)
    except ServiceError as error:
        raise StoreUnavailable(str(error)) from error


def _options(settings: Settings, timeout_s: float | None) -> dict[str, Any]:
    limit_s = settings.redis_timeout_ms / 1_000 if timeout_s is None else timeout_s
    return {"socket_timeout": limit_s, "socket_connect_timeout": limit_s, "retry": None}
