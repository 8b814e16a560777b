"""File locks between the processes of one machine. The system drops a dead process's locks."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["exclusive", "exclusive_now", "shared"]


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file alone; waits for every other holder."""
    with _held(path, fcntl.LOCK_EX):
        yield


@contextmanager
def exclusive_now(path: Path) -> Iterator[bool]:
    """Hold the lock file alone if nobody else holds it now; the block gets whether it does."""
    with _held(path, fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
        yield held


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock file together with other sharers; waits for one who holds it alone."""
    with _held(path, fcntl.LOCK_SH):
        yield


@contextmanager
def _held(path: Path, mode: int) -> Iterator[bool]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _locked(descriptor, mode)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode)
    except BlockingIOError:
        return False
    return True
