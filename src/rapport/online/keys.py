"""Where a customer's rows are: Feast's own Redis layout, computed without protobuf.

A customer is one Redis hash. Its key is Feast's entity key (serialization version 3) followed by the project's name:

    u32 1 | u32 2 | u32 len(join_key) | join_key | u32 2 | u32 len(customer_id) | customer_id | project

(u32 little-endian; 2 is Feast's ValueType.STRING; texts in UTF-8). A field of the hash is the 4-byte little-endian
murmur3 of `<view>:<feature>`; a windowed view has the single field `<view>:__tiles__`. `_ts:<view>` holds the time of
the view's newest event as a protobuf Timestamp.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

import mmh3

__all__ = ["JOIN_KEY", "TILES", "EntityKey", "KeyMaker", "field_of", "parse_key", "prefix_of", "time_field"]

JOIN_KEY = "customer_id"
"""The join key of every windowed view."""
TILES = "__tiles__"
"""The name of a windowed view's only field."""

_STRING = 2
_U32 = struct.Struct("<I")


class EntityKey(NamedTuple):
    """What a Redis key says: the join keys, each value's type (Feast's number) and bytes, and the project."""

    join_keys: tuple[str, ...]
    types: tuple[int, ...]
    values: tuple[bytes, ...]
    project: str


class KeyMaker:
    """Makes the Redis keys of customers of one project."""

    def __init__(self, project: str, join_key: str = JOIN_KEY) -> None:
        self.head = prefix_of([join_key]) + _U32.pack(_STRING)
        self.tail = project.encode()

    def key(self, customer_id: str) -> bytes:
        """The key of one customer's hash, equal to Feast's."""
        text = customer_id.encode()
        return b"%b%b%b%b" % (self.head, _U32.pack(len(text)), text, self.tail)

    def keys(self, customer_ids: Iterable[str]) -> list[bytes]:
        return [self.key(customer_id) for customer_id in customer_ids]


def field_of(view: str, feature: str) -> bytes:
    """The 4-byte hash field of a view's feature, equal to Feast's."""
    return _U32.pack(mmh3.hash(f"{view}:{feature}", signed=False))


def time_field(view: str) -> bytes:
    """The hash field of a view's newest event time, equal to Feast's."""
    return b"_ts:" + view.encode()


def prefix_of(join_keys: Iterable[str]) -> bytes:
    """What the keys of all entities with these join keys start with, in every project."""
    names = sorted(join_keys)
    parts = [_U32.pack(len(names))]
    for name in names:
        text = name.encode()
        parts += [_U32.pack(_STRING), _U32.pack(len(text)), text]
    return b"".join(parts)


def parse_key(key: bytes, join_keys: Iterable[str]) -> EntityKey | None:
    """Read a Redis key; None when it is not the key of an entity with these join keys.

    The project is what remains after the last value, so projects whose names end alike are told apart.
    """
    names = tuple(sorted(join_keys))
    prefix = prefix_of(names)
    if not key.startswith(prefix):
        return None
    at, types, values = len(prefix), [], []
    for _ in names:
        if len(key) < at + 8:
            return None
        kind, length = struct.unpack_from("<II", key, at)
        at += 8 + length
        if len(key) < at:
            return None
        types.append(kind)
        values.append(key[at - length : at])
    try:
        return EntityKey(names, tuple(types), tuple(values), key[at:].decode())
    except UnicodeDecodeError:
        return None
