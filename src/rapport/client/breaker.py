"""A circuit breaker: a service that fails is left alone for a while, then asked once to see whether it is back."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["BreakerOptions", "CircuitBreaker", "CircuitState"]

CircuitState = Literal["closed", "open", "half_open"]


@dataclass(frozen=True)
class BreakerOptions:
    """When the circuit opens: `failures` of the last `window` calls failed; and for how long.

    Raises:
        ValueError: not 1 <= failures <= window, or not 0 < open_s <= 600.
    """

    failures: int = 5
    window: int = 10
    open_s: float = 5.0

    def __post_init__(self) -> None:
        if not 1 <= self.failures <= self.window:
            raise ValueError(f"failures={self.failures}, window={self.window}: 1 <= failures <= window is needed")
        if not 0 < self.open_s <= 600:
            raise ValueError(f"open_s={self.open_s}: more than 0 and at most 600 seconds")


class CircuitBreaker:
    """Closed: all calls go. Open: none does. Half open: one goes, and what becomes of it closes or opens the circuit.

    A call asks first and tells its outcome with the permit that it got. An outcome counts only while the circuit is as
    it was when the call was permitted: a slow call from before it opened says nothing of now. Not for several threads.
    """

    def __init__(self, options: BreakerOptions | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options or BreakerOptions()
        self._clock = clock
        self._outcomes: deque[bool] = deque(maxlen=self._options.window)
        self._open_until: float | None = None
        self._probing = False
        self._permit = 0

    @property
    def state(self) -> CircuitState:
        if self._open_until is None:
            return "closed"
        return "open" if self._clock() < self._open_until else "half_open"

    @property
    def rests_s(self) -> float:
        """Seconds until a call may go again; 0 when one may now."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - self._clock())

    def ask(self) -> int | None:
        """A permit for one call, or None: do not call."""
        if self._open_until is not None:
            if self._probing or self._clock() < self._open_until:
                return None
            self._probing = True
        return self._permit

    def tell(self, permit: int, *, ok: bool) -> None:
        """The outcome of a call."""
        if permit != self._permit:
            return
        if self._open_until is not None:
            self._turn(None if ok else self._options.open_s)
            return
        self._outcomes.append(ok)
        if self._outcomes.count(False) >= self._options.failures:
            self._turn(self._options.open_s)

    def forget(self, permit: int) -> None:
        """A call that was given up says nothing of the service."""
        if permit == self._permit:
            self._probing = False

    def rest(self, seconds: float) -> None:
        """Open for that long, because the service asks for it; never shorter than it would be open anyway."""
        self._turn(max(seconds, self.rests_s))

    def _turn(self, open_s: float | None) -> None:
        self._open_until = None if open_s is None else self._clock() + open_s
        self._probing = False
        self._outcomes.clear()
        self._permit += 1
