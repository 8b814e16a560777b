"""What is kept of a trigger and a customer, and the changes that one step makes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from rapport.decisions.record import DecisionRecord
from rapport.triggers.firing import Firing

__all__ = ["CHECKS", "EVERY", "NEVER", "TIMERS", "Changes", "Due", "Pair", "Watched"]

NEVER = -1
"""A time that is before every event."""
EVERY = "*"
"""In the place of a trigger's name: all of them together."""
TIMERS, CHECKS = "timers", "checks"
"""Queues of what is due at a time: absences and what can be forgotten; customers whose habit is looked at."""


class Pair(NamedTuple):
    """A trigger's name and a customer."""

    trigger: str
    customer: str


class Watched(msgspec.Struct, omit_defaults=True):
    """What is kept of a pair. Times in microseconds; each is the greatest of its kind that was seen, so the order in
    which events come does not show."""

    armed_us: int = NEVER
    """Time of the newest event that is a cause."""
    arrival_us: int = NEVER
    """When that event arrived."""
    event_id: str = ""
    values: dict[str, Any] = {}
    """Of that event."""
    ended_us: int = NEVER
    """Time of the newest event that ends an absence."""
    done_us: int = NEVER
    """The `armed_us` that has been dealt with, fired or not."""
    fired_us: int = NEVER
    """The moment of the last firing."""
    check_us: int = NEVER
    """When the customer's habit is looked at next."""
    low: bool = False
    """The habit was broken when it was looked at last."""
    sent_us: list[int] = []
    """When the customer was sent decisions lately: of the pair EVERY with a customer, alone."""


class Due(NamedTuple):
    """When a pair is looked at again: in which queue, and there at which score."""

    queue: str
    score: int


@dataclass(slots=True)
class Changes:
    """What a step changes: all of it is written at once, or nothing.

    Attributes:
        states: pair to what is kept from now on; None: nothing.
        due: pairs that come into a queue, with their score; a pair is in a queue once.
        undue: pairs that leave a queue.
        firings: what is fired.
        records: firing's id to the record of the decision that was made for it, as it is logged.
        withheld: ids of firings that are not sent: their decisions are logged, and that is all.
        counts: what to add to the counters, `<trigger>:<what>`.
    """

    states: dict[Pair, Watched | None] = field(default_factory=dict)
    due: dict[tuple[str, Pair], int] = field(default_factory=dict)
    undue: set[tuple[str, Pair]] = field(default_factory=set)
    firings: list[Firing] = field(default_factory=list)
    records: dict[str, DecisionRecord] = field(default_factory=dict)
    withheld: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def keep(self, pair: Pair, state: Watched | None, due: Due | None) -> None:
        """Keep a state, looked at again when it is due."""
        self.states[pair] = state
        if due is not None:
            self.due[due.queue, pair] = due.score
            self.undue.discard((due.queue, pair))

    def leave(self, queue: str, pair: Pair) -> None:
        """The pair is not in the queue any more, unless it is put there again."""
        if (queue, pair) not in self.due:
            self.undue.add((queue, pair))
