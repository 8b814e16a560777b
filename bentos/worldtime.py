"""The world's time as the service keeps it: the last clock that was published, followed in the background."""

from __future__ import annotations

import msgspec

from rapport.clock import Clock, SystemClock, WorldClock, rate_of

__all__ = ["FollowedClock"]


class FollowedClock:
    """Gives the time of the clock that was last followed; the system's until then."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self._clock: Clock = self._system

    def now_us(self) -> int:
        return self._clock.now_us()

    @property
    def rate(self) -> float:
        """Seconds of the world per second of the machine."""
        return rate_of(self._clock)

    def follow(self, published: bytes | None) -> None:
        """Take the clock in `published` (the value of WORLD_CLOCK_KEY); None: the system's. Anything else that is not a
        clock is ignored: the last one goes on."""
        if published is None:
            self._clock = self._system
            return
        try:
            self._clock = msgspec.json.decode(published, type=WorldClock)
        except msgspec.MsgspecError:
            return
