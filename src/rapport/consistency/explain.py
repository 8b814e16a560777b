"""Why one decision's values of one view are not those of history: pure, over values.

What the store could have answered is computed by the same sweep as history, from fewer events: those that had arrived
by the decision's time, or those up to one that was on its way just then. A row of the store is written whole, so what
is on its way must explain all of a view's values at once: one wrong number among right ones stays unexplained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rapport.consistency.compare import MATCH, compare
from rapport.consistency.picking import pick_events
from rapport.consistency.reasons import (
    DEFINITION_CHANGED,
    FEATURES_STALE,
    IN_FLIGHT,
    LATE_EVENT,
    REBUILDING,
    UNEXPLAINED,
    UNKNOWN_DEFINITION,
)
from rapport.decisions.record import FeatureValue
from rapport.windows import Column, Events, Plan, history

__all__ = ["Asked", "CustomerEvents", "Explained", "explain"]

_MOST_TRIALS = 500
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CustomerEvents:
    """All events of one customer in one topic, by event time.

    Attributes:
        arrival_us: int64[n], when each arrived, UTC microseconds.
        order: int64[n], the places of the events in the order in which the store applies them: that of the bus.
    """

    events: Events
    arrival_us: npt.NDArray[np.int64]
    order: Places


@dataclass(frozen=True, slots=True)
class Asked:
    """One decision's values of one view.

    Attributes:
        as_of_us: the time that the decision read features for.
        logged: the view's features as they were logged; those not logged are absent.
        wrong: those that history contradicts.
        slack_us: how long before the decision an event may have arrived without being readable, or after it and yet
            be readable, in microseconds of the world's clock.
        rebuilding: whether the decision said that the view's rows did not all hold the past.
        stale: whether the decision said that its features were stale.
        then: the plan that the decision was made with; today's when the definition is the same, None when it is not
            known.
    """

    as_of_us: int
    logged: Mapping[str, FeatureValue]
    wrong: Sequence[str]
    slack_us: int
    rebuilding: bool
    stale: bool
    then: Plan | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A reason for each wrong feature.

    Attributes:
        waited_us: in flight: how long before the decision the first event that was not readable had arrived; negative
            when an event was readable that came after the decision's time. 0 for every other reason.
    """

    reasons: Mapping[str, str]
    waited_us: int = 0


def explain(today: Plan, known: CustomerEvents, asked: Asked) -> Explained:
    """Why the `wrong` features differ from what `today`'s plan makes of all events."""
    found = _by_arrival(today, known, asked)
    if asked.rebuilding:
        found = _with(found, {name: REBUILDING for name in asked.wrong if asked.logged[name] is None})
    if UNEXPLAINED not in found.reasons.values() or asked.then is today:
        return found
    if asked.then is None:
        return _with(found, dict.fromkeys(asked.wrong, UNKNOWN_DEFINITION))
    right = _matching(asked.then, known.events, asked)
    found = _with(found, dict.fromkeys(right, DEFINITION_CHANGED))
    if UNEXPLAINED not in found.reasons.values():
        return found
    then = _by_arrival(asked.then, known, asked)
    changed = [name for name, reason in then.reasons.items() if reason != UNEXPLAINED]
    return _with(found, dict.fromkeys(changed, DEFINITION_CHANGED))


def _by_arrival(plan: Plan, known: CustomerEvents, asked: Asked) -> Explained:
    """Reasons that lie in when events came; features that none of them covers are UNEXPLAINED."""
    reasons = dict.fromkeys(asked.wrong, UNEXPLAINED)
    arrived = known.arrival_us <= asked.as_of_us
    if not arrived.all():
        right = _matching(plan, pick_events(known.events, np.flatnonzero(arrived)), asked)
        reasons |= {name: LATE_EVENT for name in asked.wrong if name in right}
    if UNEXPLAINED not in reasons.values():
        return Explained(reasons)
    for cut, waited_us in _cuts(known, asked):
        if _matching(plan, _applied(known, cut, asked.as_of_us), asked) == asked.logged.keys():
            stale = waited_us > asked.slack_us
            return Explained(dict.fromkeys(asked.wrong, FEATURES_STALE if stale else IN_FLIGHT), waited_us)
    return Explained(reasons)


def _cuts(known: CustomerEvents, asked: Asked) -> Iterator[tuple[Places, int]]:
    """What the store may have applied, nearest to the decision first: the places of those events, and how long the
    first one that is left out had waited (negative: how long after the decision the last one came)."""
    arrivals = known.arrival_us[known.order]
    oldest = np.iinfo(np.int64).min if asked.stale else asked.as_of_us - asked.slack_us
    first, now, last = np.searchsorted(arrivals, (oldest, asked.as_of_us + 1, asked.as_of_us + asked.slack_us + 1))
    for cut in range(now - 1, max(first, now - _MOST_TRIALS) - 1, -1):
        yield known.order[:cut], int(asked.as_of_us - arrivals[cut])
    for cut in range(now + 1, min(last, now + _MOST_TRIALS) + 1):
        yield known.order[:cut], int(asked.as_of_us - arrivals[cut - 1])


def _applied(known: CustomerEvents, places: Places, as_of_us: int) -> Events:
    """These events as a read at `as_of_us` sees them: a row does not tell apart what is dated after the read."""
    events = pick_events(known.events, np.sort(places))
    return Events(np.minimum(events.event_time_us, as_of_us), events.columns)


def _matching(plan: Plan, events: Events, asked: Asked) -> set[str]:
    """The logged features that the plan makes of these events; those that it does not know are not among them."""
    n = len(events)
    entity = np.array([0 if n else -1], np.int64)
    values = history(plan, events, np.array([0, n], np.int64), entity, np.array([asked.as_of_us], np.int64))
    columns = dict(zip(values.names, values.features, strict=True))
    ages = {a.name for a in plan.view.aggregations if a.function == "time_since_last"}
    return {
        name
        for name, value in asked.logged.items()
        if name in columns and _same(_age(value) if name in ages else value, columns[name])
    }


def _age(logged: FeatureValue) -> FeatureValue:
    """An event dated after the read has a negative age; `_applied` dates it at the read."""
    return max(logged, 0.0) if isinstance(logged, float) else logged


def _same(logged: FeatureValue, found: Column) -> bool:
    return int(compare([logged], found).outcomes[0]) == MATCH


def _with(found: Explained, reasons: Mapping[str, str]) -> Explained:
    """The same, with reasons for what was unexplained."""
    return Explained(
        {name: reasons.get(name, why) if why == UNEXPLAINED else why for name, why in found.reasons.items()},
        found.waited_us,
    )
