"""Partition keys: a customer's id, and the origin of a record, for which Kinesis has no other place.

A record without origin has its key as it is. With one it has `rapport-origin=<origin>;<key>` and, so that a customer's
records go to one shard all the same, the hash that Kinesis itself would take of the key.
"""

from __future__ import annotations

import re
from hashlib import md5

from rapport.bus.protocol import Message

__all__ = ["hash_of", "parse_key", "partition_key"]

_LONGEST = 256
_MARK = "rapport-origin="
_MARKED = re.compile(rf"{_MARK}([^;]*);(.*)", re.DOTALL)


def partition_key(message: Message) -> str:
    """The partition key of a record. What is longer than Kinesis allows is cut; the shard does not depend on it."""
    if message.origin or not message.key or message.key.startswith(_MARK):
        return f"{_MARK}{message.origin.replace(';', ',')};{message.key}"[:_LONGEST]
    return message.key[:_LONGEST]


def hash_of(key: str) -> str:
    """Where a key is in the shards' ranges."""
    return str(int.from_bytes(md5(key.encode("utf-8", "replace"), usedforsecurity=False).digest()))


def parse_key(text: str) -> tuple[str, str]:
    """Key and origin of a record."""
    match = _MARKED.fullmatch(text)
    return (match[2], match[1]) if match else (text, "")
