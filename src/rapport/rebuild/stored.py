"""The stored rows that lack something, found by walking through Redis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import redis

from rapport.online.connect import reachable
from rapport.online.hashes import read_hashes
from rapport.online.keys import JOIN_KEY, TILES, field_of, parse_key, prefix_of
from rapport.online.marks import MARK_BYTES
from rapport.online.stored import head_of
from rapport.windows import Plan
from rapport.windows.rows import HEADER_BYTES

__all__ = ["lacking_customers"]

_SCAN_KEYS = 2_000


def lacking_customers(client: redis.Redis, project: str, plans: Sequence[Plan]) -> Iterator[str]:
    """The customers with a row of one of these views that has gaps, or is of another layout; some may come twice.

    Raises:
        StoreUnavailable
    """
    fields = [field_of(plan.view.name, TILES) for plan in plans]
    heads = [head_of(plan) for plan in plans]
    for keys, ids in _customers(client, project):
        replies = read_hashes(client, keys, fields, "looking for rows that lack something")
        for customer_id, values in zip(ids, replies, strict=True):
            if any(value is not None and _lacks(value, head) for value, head in zip(values, heads, strict=True)):
                yield customer_id


def _lacks(value: bytes, head: bytes) -> bool:
    start, gaps = MARK_BYTES, MARK_BYTES + HEADER_BYTES
    return value[start : start + len(head)] != head or value[gaps : gaps + 1] != b"\0"


def _customers(client: redis.Redis, project: str) -> Iterator[tuple[list[bytes], list[str]]]:
    """The keys and ids of all customers of the project, in blocks."""
    pattern = _escaped(prefix_of([JOIN_KEY])) + b"*"
    keys: list[bytes] = []
    ids: list[str] = []
    with reachable("walking through the stored rows"):
        for key in client.scan_iter(match=pattern, count=_SCAN_KEYS):
            found = parse_key(key, [JOIN_KEY])
            if found is None or found.project != project:
                continue
            keys.append(key)
            ids.append(found.values[0].decode())
            if len(keys) == _SCAN_KEYS:
                yield keys, ids
                keys, ids = [], []
    if keys:
        yield keys, ids


def _escaped(text: bytes) -> bytes:
    """The text as a glob pattern of Redis that matches it alone."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\^-" else bytes([byte]) for byte in text)
