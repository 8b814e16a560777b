"""A circuit breaker: after a failure nobody asks the store again until a probe has found it well."""

from __future__ import annotations

__all__ = ["Breaker"]


class Breaker:
    """Open after a failure, closed after a success. Requests ask only while it is closed; a probe in the background,
    not a customer's request, finds out when the store is back: so a frozen store costs each request that was on its
    way one deadline, and later ones nothing."""

    def __init__(self) -> None:
        self._open = True
        self.opened = 0
        """How often it went from closed to open."""

    @property
    def is_open(self) -> bool:
        """Whether the store must not be asked. True at first, until a probe succeeds."""
        return self._open

    def failed(self) -> None:
        if not self._open:
            self.opened += 1
        self._open = True

    def succeeded(self) -> None:
        self._open = False
