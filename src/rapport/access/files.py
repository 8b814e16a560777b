"""Files with secrets in them: written for their owner alone, and read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rapport.errors import AccessError

__all__ = ["open_to_others", "private_folder", "read_secret_line", "write_private"]


def read_secret_line(path: Path, what: str) -> str:
    """The first line of a file.

    Raises:
        AccessError: it cannot be read, or is empty. Quotes nothing of it.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n", 1)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise AccessError(f"{what} {path} cannot be read: {why}") from None
    if not lines[0].strip():
        raise AccessError(f"{what} {path} is empty: its first line is to be the secret")
    return lines[0].strip()


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step; its owner alone may read it."""
    private_folder(path.parent)
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def private_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, for their owner alone."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)


def open_to_others(path: Path, rights: int = stat.S_IRWXO) -> bool:
    """Whether users that are neither owner nor of the group have any of these rights; False: there is no such file."""
    try:
        return bool(path.stat().st_mode & rights)
    except OSError:
        return False
