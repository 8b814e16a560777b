"""Lengths of time as people write them: `30 min`, `1 h`, `7 d`."""

from __future__ import annotations

import re

from rapport.errors import DeclarationError

__all__ = ["MAX_US", "in_words", "parse_duration"]

MAX_US = 400 * 86_400_000_000
"""The longest that can be declared, microseconds: 400 days, as of windows."""

_UNITS = {"s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_FORM = re.compile(r"(\d{1,9})\s*(s|min|h|d)")


def parse_duration(text: str, where: str, *, least_us: int = 0) -> int:
    """Microseconds.

    Args:
        where: the trigger and field, for the error.
        least_us: the shortest that is allowed.

    Raises:
        DeclarationError: it cannot be read, or is not within `least_us` and MAX_US.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise DeclarationError(f"{where}: {text[:40]!r} is no length of time; write a number and s, min, h or d")
    length = int(match[1]) * _UNITS[match[2]]
    if not least_us <= length <= MAX_US:
        allowed = f"{in_words(least_us)} to {in_words(MAX_US)}"
        raise DeclarationError(f"{where}: {text} is out of range: {allowed} is allowed")
    return length


def in_words(length_us: int) -> str:
    """A length in the largest unit that gives a whole number: `30 min`."""
    unit = next((unit for unit in ("d", "h", "min") if length_us and length_us % _UNITS[unit] == 0), "s")
    return f"{length_us / _UNITS[unit]:g} {unit}"
