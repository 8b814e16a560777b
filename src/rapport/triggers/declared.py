"""What a trigger is, once its declaration has been read and checked.

A trigger fires for a customer: when an event comes (`OnEvent`), when an event is followed by nothing for a time
(`OnAbsence`), when features of a customer who has just done something are beyond a limit (`OnFeatures`), or when a
customer does much less than is their habit (`OnDrop`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "Cap",
    "Condition",
    "EventMatch",
    "FeatureTest",
    "Limits",
    "OnAbsence",
    "OnDrop",
    "OnEvent",
    "OnFeatures",
    "Scalar",
    "Trigger",
    "topics_of",
]

Scalar: TypeAlias = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Limits:
    """At least `low`, and below `high`."""

    low: float = float("-inf")
    high: float = float("inf")

    def holds(self, value: float) -> bool:
        return self.low <= value < self.high


Condition: TypeAlias = Limits | tuple[Scalar, ...]
"""Limits, or the values of which the column has to have one. A null never matches."""


@dataclass(frozen=True, slots=True)
class EventMatch:
    """Events of a topic of which all conditions hold; `where` is column to condition."""

    topic: str
    where: tuple[tuple[str, Condition], ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureTest:
    """A feature of a windowed view, or the difference of two, between limits. Features are (view, feature)."""

    name: str
    feature: tuple[str, str]
    minus: tuple[str, str] | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class OnEvent:
    """Fires for an event."""

    match: EventMatch


@dataclass(frozen=True, slots=True)
class OnAbsence:
    """Fires `for_us` after the arrival of a customer's newest event that matches `after`, unless one that matches
    `without` is as new or newer."""

    after: EventMatch
    without: tuple[EventMatch, ...]
    for_us: int


@dataclass(frozen=True, slots=True)
class OnFeatures:
    """Fires for an event as of whose time all tests hold."""

    on: EventMatch
    when: tuple[FeatureTest, ...]


@dataclass(frozen=True, slots=True)
class OnDrop:
    """Fires when so few events in the `recent` window are less likely than `chance`, given the rate in `habit`.

    Attributes:
        activity: whoever has such an event is watched.
        recent, habit: counts over a short and a long window of one view.
        clump: events that usually come together.
        every_us: time between two checks of a customer.
    """

    activity: EventMatch
    recent: tuple[str, str]
    habit: tuple[str, str]
    chance: float
    clump: float
    every_us: int


@dataclass(frozen=True, slots=True)
class Cap:
    """A customer is sent at most so many firings with decisions within a time, of all triggers together."""

    at_most: int
    within_us: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """One declared trigger.

    Attributes:
        name: unique.
        description: for people.
        reason: the text of a firing's reason, with names of values in braces.
        quiet_us: firings for one customer are more than this apart.
        expires_us: what should have fired longer ago than this is not fired any more.
        columns: of the event that is the cause, to be among the values of the firing.
        on: what makes it fire.
        decide: whether a decision for the customer is made for each firing, and goes with it.
    """

    name: str
    description: str
    reason: str
    quiet_us: int
    expires_us: int
    columns: tuple[str, ...]
    on: OnEvent | OnAbsence | OnFeatures | OnDrop
    decide: bool = False

    @property
    def kind(self) -> str:
        """`event`, `absence`, `features` or `drop`."""
        return type(self.on).__name__.removeprefix("On").lower()

    @property
    def cause(self) -> EventMatch:
        """The events that make this trigger look at a customer."""
        match self.on:
            case OnEvent(match=match):
                return match
            case OnAbsence(after=after):
                return after
            case OnFeatures(on=on):
                return on
            case OnDrop(activity=activity):
                return activity

    @property
    def ends(self) -> tuple[EventMatch, ...]:
        """The events that keep this trigger from firing."""
        return self.on.without if isinstance(self.on, OnAbsence) else ()

    def features(self) -> Iterator[tuple[str, str]]:
        """The features that it reads, as (view, feature)."""
        if isinstance(self.on, OnDrop):
            yield from (self.on.recent, self.on.habit)
        elif isinstance(self.on, OnFeatures):
            for test in self.on.when:
                yield test.feature
                if test.minus:
                    yield test.minus


def topics_of(triggers: tuple[Trigger, ...]) -> tuple[str, ...]:
    """The event topics that some triggers look at, by name."""
    return tuple(sorted({match.topic for trigger in triggers for match in (trigger.cause, *trigger.ends)}))
