"""Addresses of a Redis Cluster: `redis+cluster://user:password@host:port,host:port?option=value`, or `rediss+cluster`.

Any of the cluster's nodes will do, and more than one is better: the client asks the first that answers for the others.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from redis.connection import SSLConnection, parse_url

from rapport.errors import SettingsError

__all__ = ["is_cluster_url", "parse_cluster_url"]

_SUFFIX = "+cluster"


def is_cluster_url(url: str) -> bool:
    return url.partition("://")[0].endswith(_SUFFIX)


def parse_cluster_url(url: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """The nodes, and the options that redis-py's cluster clients take.

    Raises:
        SettingsError: a node without a port, or options that redis-py cannot read. Names no password.
    """
    scheme, _, rest = url.partition("://")
    place = urlsplit(f"//{rest}")
    login, at, hosts = place.netloc.rpartition("@")
    nodes = [_node(text) for text in hosts.split(",")]
    query = f"?{place.query}" if place.query else ""
    read: Any = parse_url
    try:
        options = read(f"{scheme.removesuffix(_SUFFIX)}://{login}{at}{nodes[0][0]}:{nodes[0][1]}{query}")
    except ValueError as error:
        raise SettingsError(f"the cluster's URL ({scheme}://…@{hosts}{query}) cannot be read: {error}") from None
    if options.pop("connection_class", None) is SSLConnection:
        options["ssl"] = True
    for name in ("host", "port"):
        options.pop(name, None)
    return nodes, dict(options)


def _node(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise SettingsError(
            f"{text!r} is not a node of a cluster: write redis+cluster://host:port, more nodes behind commas"
        )
    return host.strip("[]"), int(port)
