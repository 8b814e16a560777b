"""Ids of decisions: UUIDs of version 7 (RFC 9562), 32 hexadecimal digits, which begin with the decision's time.

So the archive, which is ordered by time, finds one without looking at the others. The rest is random: 74 bits.
"""

from __future__ import annotations

import os
import re

__all__ = ["is_id", "new_id", "time_range_us"]

_ID = re.compile(r"[0-9a-f]{32}")
_LAST_MS = (1 << 48) - 1


def new_id(as_of_us: int) -> str:
    """An id for a decision of a time, microseconds UTC."""
    number = int.from_bytes(os.urandom(10))
    ms = min(max(as_of_us // 1_000, 0), _LAST_MS)
    high = ms << 16 | 0x7000 | number >> 68
    return f"{high << 64 | 0x8 << 60 | number & ((1 << 62) - 1):032x}"


def is_id(text: str) -> bool:
    """Whether it can be the id of a decision."""
    return _ID.fullmatch(text) is not None


def time_range_us(decision_id: str) -> tuple[int, int] | None:
    """The times [since, until) that the decision may have; None when the id does not say it."""
    if not is_id(decision_id) or decision_id[12] != "7":
        return None
    ms = int(decision_id[:12], 16)
    return ms * 1_000, (ms + 1) * 1_000
