"""Which partition a key belongs to: a hash that is the same in every process, version and language."""

from __future__ import annotations

from zlib import crc32

__all__ = ["partition_of"]


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: CRC-32 of its UTF-8 bytes, modulo the number of partitions."""
    return 0 if partitions == 1 else crc32(key.encode("utf-8", "replace")) % partitions
