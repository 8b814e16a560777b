"""What is sent in a surge, and when: a steady load, ten times what can be taken, and the steady load again."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.world import CHUNK

__all__ = ["BASE", "PATIENT", "TIMES", "Plan"]

TIMES = 10
"""How many times the sustainable rate a surge has."""
BASE = 0.4
"""The load before and after it, in sustainable rates."""
PATIENT = 0.1
"""The part of a surge whose senders come back until all is taken; the others give up when they are refused."""
_LEAST_PATIENT = 4
"""Their chunks, however little that part is where a slow machine takes little: one alone may never be refused."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When each chunk of the world is due, and whose it is.

    Attributes:
        sustainable: events per second that the installation can take.
        first: the number of the first chunk.
        before_s, surge_s, after_s: how long the three phases last.
    """

    sustainable: float
    first: int
    before_s: float
    surge_s: float
    after_s: float

    def due(self) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        """(seconds from the start, chunk) of those who come back, and of those who give up; by time."""
        steady = BASE * self.sustainable
        surge_end_s = self.before_s + self.surge_s
        times = _times(0.0, surge_end_s + self.after_s, steady)
        patient = [(at_s, True) for at_s in times]
        surge = TIMES * self.sustainable - steady
        patient += [(at_s, True) for at_s in _times(self.before_s, surge_end_s, PATIENT * surge, _LEAST_PATIENT)]
        hasty = [(at_s, False) for at_s in _times(self.before_s, surge_end_s, (1 - PATIENT) * surge)]
        numbered = [(at_s, self.first + i, back) for i, (at_s, back) in enumerate(sorted(patient + hasty))]
        return [(s, n) for s, n, back in numbered if back], [(s, n) for s, n, back in numbered if not back]


def _times(start_s: float, end_s: float, rate: float, least: int = 1) -> list[float]:
    """When chunks are due for so many events per second, evenly; at least so many chunks."""
    count = max(least, int((end_s - start_s) * rate / CHUNK))
    step_s = min(CHUNK / rate, (end_s - start_s) / count)
    return [start_s + step_s * i for i in range(count)]
