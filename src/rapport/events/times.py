"""The time that counts: an event's own, never after its arrival."""

from __future__ import annotations

from rapport.clock import from_us
from rapport.errors import EventError

__all__ = ["MAX_AHEAD_US", "event_times"]

MAX_AHEAD_US = 300_000_000
"""How far ahead of its arrival an event may be; microseconds."""


def event_times(claimed_us: int, arrival_us: int) -> tuple[int, int | None]:
    """The time that counts, and the claimed time where it is another; microseconds, UTC.

    Raises:
        EventError: future_event, the event is more than MAX_AHEAD_US ahead of its arrival.
    """
    if claimed_us <= arrival_us:
        return claimed_us, None
    if claimed_us - arrival_us > MAX_AHEAD_US:
        raise EventError(
            "future_event",
            "event_time",
            f"{from_us(claimed_us).isoformat()} is {(claimed_us - arrival_us) / 1e6:,.0f} s ahead of the event's "
            f"arrival at {from_us(arrival_us).isoformat()}; {MAX_AHEAD_US // 1_000_000} s are allowed: "
            "check the producer's clock",
        )
    return arrival_us, claimed_us
