"""Connections to the online store: with timeouts and no waiting, so that a frozen Redis is noticed, not waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry

from rapport.embedded import redis_url
from rapport.errors import ServiceError, StoreUnavailable
from rapport.online.cluster_url import is_cluster_url, parse_cluster_url
from rapport.settings import Settings

__all__ = ["WRITE_TIMEOUT_S", "connect", "connect_async", "reachable"]

WRITE_TIMEOUT_S = 10.0
"""Timeout of writers: long enough for a busy server, as nobody waits for them."""

_CLUSTER_RETRIES = 1
"""A cluster's client asks once more when a node fails: first it asks the others who has taken over."""


def connect(settings: Settings, *, timeout_s: float | None = None) -> redis.Redis:
    """A client of the online store's Redis, or Redis Cluster, which takes the same commands.

    It connects at its first command; that of a cluster asks for the nodes at once.

    Args:
        timeout_s: socket and connect timeout; default the settings' redis_timeout_ms.

    Raises:
        StoreUnavailable: there is no address: no URL is set, and the embedded Redis has never been started. Or the
            cluster does not answer.
    """
    url, limits = _url(settings), _limits(settings, timeout_s)
    if not is_cluster_url(url):
        client: redis.Redis = redis.Redis.from_url(url, **limits, retry=None)
        return client
    nodes, options = parse_cluster_url(url)
    node: Any = ClusterNode
    with reachable("finding the cluster's nodes"):
        # A cluster's client is no subclass, but answers to what is asked of a client here.
        cluster: Any = redis.RedisCluster(
            startup_nodes=[node(host, port) for host, port in nodes],
            retry=Retry(NoBackoff(), _CLUSTER_RETRIES),
            **{**limits, **options},
        )
    return cluster  # type: ignore[no-any-return]


def connect_async(settings: Settings, *, timeout_s: float | None = None) -> redis.asyncio.Redis:
    """The same for asyncio; connects at its first command."""
    url, limits = _url(settings), _limits(settings, timeout_s)
    if not is_cluster_url(url):
        client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(url, **limits, retry=None)
        return client
    nodes, options = parse_cluster_url(url)
    cluster: Any = redis.asyncio.RedisCluster(
        startup_nodes=[AsyncClusterNode(host, port) for host, port in nodes],
        retry=AsyncRetry(NoBackoff(), _CLUSTER_RETRIES),
        **{**limits, **options},
    )
    return cluster  # type: ignore[no-any-return]


@contextmanager
def reachable(what: str) -> Iterator[None]:
    """Turn a server that does not answer into StoreUnavailable. `what` says what was being done.

    Raises:
        StoreUnavailable: no connection, no answer within the timeout, or a cluster that is not whole.
    """
    try:
        yield
    except (
        redis.ConnectionError,
        redis.TimeoutError,
        redis.exceptions.ClusterDownError,
        redis.exceptions.RedisClusterException,
    ) as error:
        raise StoreUnavailable(
            f"the online store did not answer while {what}: {error}. Is Redis up (`rapport status`), and reachable "
            "at RAPPORT_STORE_URL, RAPPORT_REDIS_URL or the connection_string of feature_store.yaml?"
        ) from error


def _url(settings: Settings) -> str:
    try:
        return settings.store_url or redis_url(settings)
    except ServiceError as error:
        raise StoreUnavailable(str(error)) from error


def _limits(settings: Settings, timeout_s: float | None) -> dict[str, Any]:
    limit_s = settings.redis_timeout_ms / 1_000 if timeout_s is None else timeout_s
    return {"socket_timeout": limit_s, "socket_connect_timeout": limit_s}
