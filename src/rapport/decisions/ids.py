"""Ids of decisions: UUIDs of version 7 (RFC 9562), 32 hexadecimal digits, which begin with the decision's time.

So the archive, which is ordered by time, finds one without looking at the others. The rest is random: 74 bits. Those
of decisions that triggers ask for are of version 8: they begin with the moment of the firing, and the rest is derived
from its id, so that a decision that is made again has the same.
"""

from __future__ import annotations

import hashlib
import os
import re

from rapport.clock import LAST_US

__all__ = ["derived_id", "is_id", "new_id", "time_range_us"]

_ID = re.compile(r"[0-9a-f]{32}")
_LAST_MS = (1 << 48) - 1
_RANDOM_BYTES = 10
_AT_ONCE = 100


class _Random:
    """The system's random bytes, drawn for many ids at once: each draw lets go of the interpreter's lock, and may wait
    for it behind another thread."""

    def __init__(self) -> None:
        self._pid = 0
        self._drawn: list[bytes] = []

    def take(self) -> bytes:
        """The bytes of one id, which nobody else gets: what was drawn before a fork is the parent's."""
        if self._pid != os.getpid():
            self._pid, self._drawn = os.getpid(), []
        try:
            return self._drawn.pop()
        except IndexError:
            many = os.urandom(_RANDOM_BYTES * _AT_ONCE)
            self._drawn += [many[at : at + _RANDOM_BYTES] for at in range(_RANDOM_BYTES, len(many), _RANDOM_BYTES)]
            return many[:_RANDOM_BYTES]


_random = _Random()


def new_id(as_of_us: int) -> str:
    """An id for a decision of a time, microseconds UTC."""
    return _id(7, as_of_us, _random.take())


def derived_id(firing_id: str, moment_us: int) -> str:
    """The id of the decision for a firing, which is true as of a time, microseconds UTC."""
    return _id(8, moment_us, hashlib.sha256(firing_id.encode()).digest()[:10])


def _id(version: int, time_us: int, rest: bytes) -> str:
    number = int.from_bytes(rest)
    ms = min(max(time_us // 1_000, 0), _LAST_MS)
    high = ms << 16 | version << 12 | number >> 68
    return f"{high << 64 | 0x8 << 60 | number & ((1 << 62) - 1):032x}"


def is_id(text: str) -> bool:
    """Whether it can be the id of a decision."""
    return _ID.fullmatch(text) is not None


def time_range_us(decision_id: str) -> tuple[int, int] | None:
    """The times [since, until) that the decision may have; None when the id does not say it."""
    if not is_id(decision_id) or decision_id[12] not in "78":
        return None
    ms = int(decision_id[:12], 16)
    # a firing may wait before it is decided
    return ms * 1_000, (ms + 1) * 1_000 if decision_id[12] == "7" else LAST_US
