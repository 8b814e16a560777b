"""A segment's bytes: a head, then one record an event, each with a checksum."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from rapport.events.schema import TOPICS

__all__ = ["HEAD_BYTES", "Kept", "encode_head", "encode_record", "head_fits", "read_records"]

_HEAD = struct.Struct("<8sQ")
_MAGIC = b"RAPEDGE1"
_RECORD = struct.Struct("<IIB")
_REFUSED = 0x80
HEAD_BYTES = _HEAD.size


class Kept(NamedTuple):
    """An event in the buffer. A refused one is forwarded as it is, to become a dead letter."""

    topic: str
    event: bytes
    refused: bool


def encode_head(number: int) -> bytes:
    """The first bytes of segment `number`: what it is, and its number."""
    return _HEAD.pack(_MAGIC, number)


def head_fits(content: bytes, number: int) -> bool:
    """Whether a file begins as segment `number` does."""
    return content[:HEAD_BYTES] == encode_head(number)


def encode_record(kept: Kept) -> bytes:
    """Length, CRC-32 of what follows, topic with the mark of refused ones, event. Numbers are little-endian."""
    kind = TOPICS.index(kept.topic) | (_REFUSED if kept.refused else 0)
    return _RECORD.pack(len(kept.event), _check(kind, kept.event), kind) + kept.event


def read_records(content: bytes) -> Iterator[tuple[int, Kept]]:
    """Each whole record and where it ends; up to the first that is cut off or damaged."""
    at = HEAD_BYTES
    while at + _RECORD.size <= len(content):
        length, check, kind = _RECORD.unpack_from(content, at)
        end = at + _RECORD.size + length
        event = content[at + _RECORD.size : end]
        if end > len(content) or _check(kind, event) != check or kind & ~_REFUSED >= len(TOPICS):
            return
        yield end, Kept(TOPICS[kind & ~_REFUSED], event, bool(kind & _REFUSED))
        at = end


def _check(kind: int, event: bytes) -> int:
    return crc32(event, kind)
