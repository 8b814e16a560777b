"""The installation's world clock: what time it is where the events happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapport.errors import SettingsError, StoreUnavailable

if TYPE_CHECKING:
    from datetime import datetime

    from rapport.clock import Clock, WorldClock
    from rapport.settings import Settings

__all__ = ["clock_or_system", "parse_span", "parse_time", "publish_clock", "world_clock"]

_UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}


def world_clock(settings: Settings) -> Clock:
    """The clock that was last published; the system's when none was.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    import redis

    from rapport.clock import WORLD_CLOCK_KEY
    from rapport.online import connect
    from rapport.online.clock import published_clock

    with connect(settings) as client:
        try:
            return published_clock(client.get(WORLD_CLOCK_KEY))
        except redis.RedisError as error:
            raise _unavailable(error) from None


def clock_or_system(settings: Settings) -> Clock:
    """The world's clock; the system's when nothing runs."""
    from rapport.clock import SystemClock
    from rapport.errors import ServiceError, StoreError

    try:
        return world_clock(settings)
    except (ServiceError, StoreError):
        return SystemClock()


def publish_clock(settings: Settings, clock: WorldClock | None) -> None:
    """Set the world's time for every process of the installation; None: the system's.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    from dataclasses import replace

    import msgspec
    import redis

    from rapport.clock import WORLD_CLOCK_KEY
    from rapport.online import connect

    # The flows look beside the bus, readers beside the rows.
    places = {replace(settings, store_url=""), settings}
    for place in places:
        with connect(place) as client:
            try:
                if clock is None:
                    client.delete(WORLD_CLOCK_KEY)
                else:
                    client.set(WORLD_CLOCK_KEY, msgspec.json.encode(clock))
            except redis.RedisError as error:
                raise _unavailable(error) from None


def parse_time(text: str) -> datetime:
    """An RFC 3339 time, or a date for its first moment in UTC.

    Raises:
        SettingsError: it is neither, or has no offset.
    """
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is not a time; write 2026-01-31T12:00:00Z or 2026-01-31") from None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if len(text) > len("2026-01-31"):
        raise SettingsError(f"{text!r} has no offset; write {text}Z for UTC")
    return moment.replace(tzinfo=UTC)


def parse_span(option: str, text: str) -> int:
    """The microseconds of 90s, 30m, 12h or 7d, which `option` gave.

    Raises:
        SettingsError: it is none of these.
    """
    unit = _UNITS_US.get(text[-1:])
    try:
        span_us = round(float(text[:-1]) * unit) if unit else 0
    except (ValueError, OverflowError):
        span_us = 0
    if span_us <= 0:
        raise SettingsError(f"{option} {text!r} is not a span of time; write 90s, 30m, 12h or 7d")
    return span_us


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"Redis does not answer ({error}): `rapport status` shows whether it runs")
