"""The world's time as the service keeps it: the last clock that was published, followed in the background."""

from __future__ import annotations

from rapport.clock import LAST_US, Clock, SystemClock, parse_clock, rate_of

__all__ = ["FollowedClock"]


class FollowedClock:
    """Gives the time of the clock that was last followed; the system's until then."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._clock: Clock = self._system

    def now_us(self) -> int:
        return min(self._clock.now_us(), LAST_US)

    @property
    def rate(self) -> float:
        """Seconds of the world per second of the machine."""
        return rate_of(self._clock)

    def follow(self, published: bytes | None) -> None:
        """Take the clock in `published` (the value of WORLD_CLOCK_KEY); None: the system's.

        Raises:
            ValueError: it is no clock; the last one goes on.
        """
        self._clock = self._system if published is None else parse_clock(published)
