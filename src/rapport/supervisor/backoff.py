"""When a process that has died is started again, and when that is given up."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(slots=True)
class Backoff:
    """Doubles the delay with every quick death in a row; a process that lived long enough starts the count anew.

    Attributes:
        first_s: delay after the first death, seconds.
        most_s: the longest delay.
        quick_s: a process that lived less than this died quickly.
        tries: quick deaths in a row after which it is given up.
    """

    first_s: float = 0.2
    most_s: float = 30.0
    quick_s: float = 10.0
    tries: int = 5
    deaths: int = 0

    def died(self, lived_s: float) -> float | None:
        """Seconds until the next start; None: give up."""
        if lived_s >= self.quick_s:
            self.deaths = 0
        self.deaths += 1
        if self.deaths >= self.tries:
            return None
        return min(self.most_s, self.first_s * 2.0 ** (self.deaths - 1))
