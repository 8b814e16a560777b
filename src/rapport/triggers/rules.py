"""What each kind of trigger does when an event comes and when a time comes: values in, values out.

`now_us` is the world's time. `horizon_us` is the time up to which everything that has happened has been seen; what
depends on something not happening waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rapport.clock import from_us
from rapport.triggers.declared import OnAbsence, OnDrop, OnFeatures, Trigger
from rapport.triggers.durations import in_words
from rapport.triggers.firing import Firing, make_firing
from rapport.triggers.occurring import Occurred
from rapport.triggers.poisson import chance_of_at_most
from rapport.triggers.state import CHECKS, NEVER, TIMERS, Changes, Due, Pair, Watched

__all__ = [
    "Features",
    "Spans",
    "absence_is_due",
    "ask_is_due",
    "begin_watch",
    "check_is_due",
    "event_came",
    "merge",
    "rest",
]

Features = Mapping[str, float | None]
"""`view:feature` to its value; None where it is null or the customer's row is missing."""
Spans = Callable[[tuple[str, str], int], int]
"""How long a time a feature's window covers as of a time, microseconds both."""


def merge(state: Watched, event: Occurred) -> bool:
    """Take a cause into account; whether it is the newest. Of several at one time it is that with the greatest id."""
    if (event.time_us, event.event_id) <= (state.armed_us, state.event_id):
        return False
    state.armed_us, state.arrival_us = event.time_us, event.arrival_us
    state.event_id, state.values = event.event_id, event.values
    return True


def event_came(trigger: Trigger, pair: Pair, state: Watched, event: Occurred, now_us: int, changes: Changes) -> None:
    """An event that fires at once."""
    values = {"event_time": _text(event.time_us), **event.values}
    if _may_fire(trigger, state, event.time_us, now_us, changes):
        firing = make_firing(
            trigger,
            pair.customer,
            cause=event.event_id,
            key=event.event_id,
            moment_us=event.time_us,
            now_us=now_us,
            values=values,
        )
        _fire(state, event.time_us, firing, changes)
    rest(trigger, pair, state, changes)


def absence_is_due(trigger: Trigger, pair: Pair, state: Watched, horizon_us: int, changes: Changes) -> None:
    """After an event of an absence, and when its timer is due: fires, waits on, or is forgotten."""
    assert isinstance(trigger.on, OnAbsence)
    armed = state.armed_us > max(state.ended_us, state.done_us)
    # From its arrival: what ends the absence of an event that came late may well be late too.
    moment_us = state.arrival_us + trigger.on.for_us
    if armed and moment_us > horizon_us:
        changes.keep(pair, state, Due(TIMERS, moment_us))
        return
    if armed:
        state.done_us = state.armed_us
        if _may_fire(trigger, state, moment_us, horizon_us, changes):
            values = {"event_time": _text(state.armed_us), "for": in_words(trigger.on.for_us), **state.values}
            firing = make_firing(
                trigger,
                pair.customer,
                cause=state.event_id,
                key=f"{state.armed_us} {state.event_id}",
                moment_us=moment_us,
                now_us=horizon_us,
                values=values,
            )
            _fire(state, moment_us, firing, changes)
    rest(trigger, pair, state, changes, horizon_us)


def ask_is_due(trigger: Trigger, pair: Pair, state: Watched, features: Features, now_us: int, changes: Changes) -> None:
    """The features as of the newest cause have been read."""
    assert isinstance(trigger.on, OnFeatures)
    if state.armed_us > state.done_us:
        state.done_us = state.armed_us
        values = {test.name: _value(test.feature, test.minus, features) for test in trigger.on.when}
        holds = all(
            value is not None and test.limits.holds(value)
            for test, value in zip(trigger.on.when, values.values(), strict=True)
        )
        if holds and _may_fire(trigger, state, state.armed_us, now_us, changes):
            firing = make_firing(
                trigger,
                pair.customer,
                cause=state.event_id,
                key=state.event_id,
                moment_us=state.armed_us,
                now_us=now_us,
                values={"event_time": _text(state.armed_us), **state.values, **values},
            )
            _fire(state, state.armed_us, firing, changes)
    rest(trigger, pair, state, changes)


def begin_watch(trigger: Trigger, pair: Pair, event: Occurred, changes: Changes) -> None:
    """A customer whom nobody watched does something: from now on their habit is looked at now and then."""
    assert isinstance(trigger.on, OnDrop)
    check_us = event.arrival_us + trigger.on.every_us
    changes.keep(pair, Watched(check_us=check_us), Due(CHECKS, check_us))


def check_is_due(
    trigger: Trigger, pair: Pair, state: Watched, features: Features, spans: Spans, horizon_us: int, changes: Changes
) -> None:
    """Compare the last while with the habit; who has none to speak of is watched no more until they come again."""
    on = trigger.on
    assert isinstance(on, OnDrop)
    if state.check_us > horizon_us:
        changes.keep(pair, state, Due(CHECKS, state.check_us))
        return
    recent, habit = (features[f"{view}:{name}"] or 0.0 for view, name in (on.recent, on.habit))
    short_us, long_us = spans(on.recent, horizon_us), spans(on.habit, horizon_us)
    expected = max(0.0, habit - recent) / (long_us - short_us) * short_us
    # Even nothing at all would be likely enough.
    idle = chance_of_at_most(0.0, expected / on.clump) >= on.chance
    if idle and (state.fired_us == NEVER or horizon_us > state.fired_us + trigger.quiet_us):
        changes.keep(pair, None, None)
        return
    chance = chance_of_at_most(recent / on.clump, expected / on.clump)
    low = chance < on.chance
    if low and not state.low and _may_fire(trigger, state, horizon_us, horizon_us, changes):
        firing = make_firing(
            trigger,
            pair.customer,
            cause="",
            key=state.check_us,
            moment_us=horizon_us,
            now_us=horizon_us,
            values={"recent": recent, "expected": round(expected, 3), "chance": float(f"{chance:.3g}")},
        )
        _fire(state, horizon_us, firing, changes)
    state.low = low
    state.check_us = horizon_us + on.every_us
    changes.keep(pair, state, Due(CHECKS, state.check_us))


def rest(trigger: Trigger, pair: Pair, state: Watched, changes: Changes, horizon_us: int = NEVER) -> None:
    """Keep what is done with until it can make no difference: whatever came by then would have expired."""
    until_us = NEVER
    if state.fired_us != NEVER:
        until_us = state.fired_us + trigger.quiet_us + trigger.expires_us
    if isinstance(trigger.on, OnAbsence):
        newest_us = max(state.armed_us, state.ended_us)
        until_us = max(until_us, newest_us + trigger.on.for_us + trigger.expires_us)
    if until_us < horizon_us or until_us == NEVER:
        changes.keep(pair, None, None)
    else:
        changes.keep(pair, state, Due(TIMERS, until_us + 1))


def _value(feature: tuple[str, str], minus: tuple[str, str] | None, features: Features) -> float | None:
    found = [features[f"{view}:{name}"] for view, name in (feature, minus or feature)]
    if found[0] is None or found[1] is None:
        return None
    return found[0] - found[1] if minus else found[0]


def _may_fire(trigger: Trigger, state: Watched, moment_us: int, now_us: int, changes: Changes) -> bool:
    """Whether a firing is neither too late nor too soon after the last; moments of one pair ascend, so that nothing
    that is read again fires again."""
    if now_us - moment_us > trigger.expires_us:
        changes.counts[f"{trigger.name}:expired"] += 1
        return False
    if state.fired_us != NEVER and moment_us <= state.fired_us + trigger.quiet_us:
        changes.counts[f"{trigger.name}:quiet"] += 1
        return False
    return True


def _fire(state: Watched, moment_us: int, firing: Firing, changes: Changes) -> None:
    state.fired_us = moment_us
    changes.firings.append(firing)
    changes.counts[f"{firing.trigger}:fired"] += 1


def _text(time_us: int) -> str:
    return from_us(time_us).isoformat(timespec="seconds")
