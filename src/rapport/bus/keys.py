"""Which partition a key belongs to: a hash that is the same in every process, version and language."""

from __future__ import annotations

from zlib import crc32

from rapport.bus.protocol import Message

__all__ = ["partition_for", "partition_of"]


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: CRC-32 of its UTF-8 bytes, modulo the number of partitions."""
    return 0 if partitions == 1 else crc32(key.encode("utf-8", "replace")) % partitions


def partition_for(message: Message, partitions: int) -> int:
    """The partition that a message goes to, of as many."""
    return partition_of(message.key, partitions) if message.partition is None else message.partition
