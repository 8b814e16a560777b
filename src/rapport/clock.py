"""Clocks: what "now" means. Logic takes times as arguments; only entry points hold a clock.

A world clock maps the machine's time to the time of the events, so that a file of past events can be lived through
with its own dates: at `anchor_system_us` the world's time was `anchor_world_us`, and it advances `rate` seconds a
second.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

import msgspec

__all__ = ["WORLD_CLOCK_KEY", "Clock", "SystemClock", "WorldClock", "from_us", "rate_of", "to_us"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WORLD_CLOCK_KEY = "rapport:clock"
"""Redis key of the world clock's JSON; absent: the system's time."""


class Clock(Protocol):
    """Gives the present in UTC, integer microseconds since 1970."""

    def now_us(self) -> int: ...


class SystemClock:
    def now_us(self) -> int:
        return time.time_ns() // 1_000


class WorldClock(msgspec.Struct, frozen=True):
    """An affine map from the system's time to the world's. Immutable: publish a new one to change it."""

    anchor_system_us: int = 0
    anchor_world_us: int = 0
    rate: float = 1.0

    def now_us(self) -> int:
        return self.at(time.time_ns() // 1_000)

    def at(self, system_us: int) -> int:
        """The world's time at a system time, both in microseconds."""
        return self.anchor_world_us + round((system_us - self.anchor_system_us) * self.rate)


def rate_of(clock: Clock) -> float:
    """Seconds of the clock per second of the machine: 1, unless it has a `rate`."""
    return float(getattr(clock, "rate", 1.0))


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exact."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; times are UTC and aware")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_us(time_us: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970, exact."""
    seconds, micros = divmod(time_us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)
