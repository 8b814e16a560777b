"""Forgetting: one customer, and finding the keys of one project to forget them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import redis

from rapport.online.connect import reachable
from rapport.online.keys import JOIN_KEY, KeyMaker, parse_key, prefix_of

__all__ = ["delete_customer", "literal", "scan_keys"]

_BATCH = 1_000
_GLOB = frozenset(b"*?[]^-\\")


def delete_customer(client: redis.Redis, project: str, customer_id: str, *, join_key: str = JOIN_KEY) -> bool:
    """Delete all that the online store holds of a customer, in all views; whether there was anything.

    A writer that still has the customer's rows in memory cannot bring them back: their marks no longer match.

    Raises:
        StoreUnavailable
    """
    with reachable("deleting a customer"):
        return bool(client.delete(KeyMaker(project, join_key).key(customer_id)))


def scan_keys(client: redis.Redis, project: str, join_keys: Sequence[str]) -> Iterator[list[bytes]]:
    """Batches of the keys of all entities with these join keys, in this project only.

    Raises:
        StoreUnavailable
    """
    pattern = literal(prefix_of(join_keys)) + b"*" + literal(project.encode())
    with reachable("looking for rows"):
        # A project whose name ends like this one's matches the pattern too, so each key is read.
        mine = (
            key
            for key in client.scan_iter(pattern, count=_BATCH)
            if (parsed := parse_key(key, join_keys)) and parsed.project == project
        )
        while batch := list(islice(mine, _BATCH)):
            yield batch


def literal(text: bytes) -> bytes:
    """A Redis glob pattern that matches exactly this text."""
    return b"".join(b"\\" + bytes([byte]) if byte in _GLOB else bytes([byte]) for byte in text)
