"""Whether a file has changed since it was last looked at, without reading it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["Stamp", "Stamps", "stamp_of", "stamps_of"]

Stamp = tuple[int, int, int]
Stamps = tuple[tuple[str, Stamp | None], ...]


def stamp_of(path: Path) -> Stamp | None:
    """What changes when a file does: its time of modification in ns, size in bytes and inode; None: it cannot be
    looked at, so for most purposes it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def stamps_of(files: Iterable[Path]) -> Stamps:
    """What changes when one of the files does."""
    return tuple((str(file), stamp_of(file)) for file in files)
