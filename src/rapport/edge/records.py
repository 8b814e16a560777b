"""A segment's bytes: a head, then one record an event, each with a checksum."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from rapport.events.schema import TOPICS

__all__ = [
    "HEAD_BYTES",
    "TAIL_BYTES",
    "Kept",
    "counted",
    "encode_head",
    "encode_record",
    "encode_tail",
    "head_fits",
    "read_records",
]

_HEAD = struct.Struct("<8sQ")
_MAGIC = b"RAPEDGE1"
_RECORD = struct.Struct("<IIB")
_REFUSED = 0x80
HEAD_BYTES = _HEAD.size
_TAIL = struct.Struct("<8sII")
_END = b"RAPEDEND"
TAIL_BYTES = _TAIL.size


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


def encode_tail(events: int) -> bytes:
    """The last bytes of a full segment: how many events it has, so that they need not be read to be counted."""
    number = events.to_bytes(4, "little")
    return _TAIL.pack(_END, events, crc32(number))


def counted(end: bytes) -> int | None:
    """The number of events that a file's last TAIL_BYTES say; None: they are no tail."""
    if len(end) != TAIL_BYTES:
        return None
    mark, events, check = _TAIL.unpack(end)
    return int(events) if mark == _END and crc32(events.to_bytes(4, "little")) == check else None


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
