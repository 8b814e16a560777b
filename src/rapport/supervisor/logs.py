"""Logs of the processes: each writes its own file by appending, so it goes on when the supervisor does not.

A file over its limit is copied to `<name>.1` and emptied in place (the writer's next line starts it anew); the few
lines written between the two steps are lost.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

__all__ = ["open_log", "tail", "trim_log"]

_TAIL_BYTES = 16_384


def open_log(path: Path) -> BinaryIO:
    """The log, opened for appending and readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.fdopen(descriptor, "ab")


def trim_log(path: Path, limit_bytes: int) -> bool:
    """Put a log that has outgrown its limit aside; returns whether it had."""
    if not path.is_file() or path.stat().st_size <= limit_bytes:
        return False
    shutil.copyfile(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)
    return True


def tail(path: Path, lines: int = 15) -> list[str]:
    """The last lines of a log; none when there is no log."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()[-lines:]
