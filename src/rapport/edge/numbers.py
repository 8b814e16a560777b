"""The buffer's name, and the numbers of its segments: none is ever given twice under a name."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from rapport.errors import EdgeError
from rapport.intake.bodies import MAX_NUMBER

__all__ = ["Numbers", "sync_folder"]

_RESERVED = 1_000
"""Numbers that are taken from the file at a time; those that are left over at a restart are not used."""
_CONTENT = re.compile(r"([0-9a-f]{32}) ([0-9]{1,10})\n", re.ASCII)


class Numbers:
    """A name, drawn at random, and ascending numbers from 1.

    Args:
        path: the file that keeps the name and the next number; made if it is not there.

    Raises:
        EdgeError: the file holds something else.
        OSError
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sender = secrets.token_hex(16)
        self._next = self._bound = 1
        if path.exists():
            match = _CONTENT.fullmatch(path.read_text())
            if match is None:
                raise EdgeError(f"{path} holds no name: restore it, or remove it to send what waits under a new one")
            self.sender, self._next = match[1], int(match[2])
            self._bound = self._next
        else:
            self._save()

    def next(self) -> int:
        """The next number.

        Raises:
            EdgeError: the numbers are used up.
            OSError: the file cannot be written.
        """
        if self._next > MAX_NUMBER:
            raise EdgeError(f"the {MAX_NUMBER:,} numbers of {self._path} are used up: take a new name (--new-name)")
        if self._next == self._bound:
            self._bound += _RESERVED
            try:
                self._save()
            except OSError:
                self._bound = self._next
                raise
        self._next += 1
        return self._next - 1

    def pass_over(self, number: int) -> None:
        """Give only numbers after this one, which a segment has."""
        if number >= self._next:
            self._next = self._bound = number + 1

    def rename(self) -> None:
        """Take a new name; the numbers go on."""
        self.sender = secrets.token_hex(16)
        self._save()

    def _save(self) -> None:
        made = self._path.with_suffix(".new")
        with made.open("w") as file:
            file.write(f"{self.sender} {self._bound}\n")
            file.flush()
            os.fsync(file.fileno())
        made.replace(self._path)
        sync_folder(self._path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the folder's entries."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
