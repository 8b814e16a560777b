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

__all__ = [
    "LAST_US",
    "WORLD_CLOCK_KEY",
    "Clock",
    "SystemClock",
    "WorldClock",
    "from_us",
    "parse_clock",
    "rate_of",
    "to_us",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_US = 253_402_300_799_000_000
"""The last second of the year 9999, which no date comes after."""
_FASTEST = 1_000_000
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


# Made at import: two threads that decode a type for the first time at once crash msgspec.
_decoder = msgspec.json.Decoder(WorldClock)


def parse_clock(published: bytes) -> WorldClock:
    """The clock in the value of WORLD_CLOCK_KEY.

    Raises:
        ValueError: it is none, or its time is not one of the years 1970 to 9999; says what is allowed.
    """
    try:
        clock = _decoder.decode(published)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(
            f"the Redis key {WORLD_CLOCK_KEY} is not a world clock ({error}): repair or delete it"
        ) from None
    if not 0 <= clock.rate <= _FASTEST or not 0 <= clock.now_us() <= LAST_US:
        raise ValueError(
            f"the world clock in the Redis key {WORLD_CLOCK_KEY} gives no time of the years 1970 to 9999, or its rate "
            f"is not one of 0 to {_FASTEST:,}: repair or delete it"
        )
    return clock


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
