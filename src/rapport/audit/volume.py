"""Judging how many events came: the window against the same one of the weeks before, and each of its hours."""

from __future__ import annotations

import numpy as np

from rapport.audit.fences import ENOUGH_DAYS, Fence, count_fence, empty_chance, spread_of
from rapport.audit.findings import Check, Finding, Severity
from rapport.audit.profile import Counts, Profile
from rapport.audit.span import HISTORY_DAYS, HOUR_US, LAST_WEEK
from rapport.audit.words import advice_on, number, times
from rapport.clock import from_us

__all__ = ["judge_refused_elsewhere", "judge_volume", "volume_learning"]

_MATTERS = 0.2
"""A change by less than a fifth is no finding, however sure it is."""
_ALARM_BELOW, _ALARM_ABOVE = 0.5, 2.0
_HOUR_ALPHA = 1e-6
_EMPTY_CHANCE = 1e-6
"""Rarer than this is an hour without events, when nothing is wrong: there are 144 hours in an audit of six topics."""
_HOURS_MATTER = 0.5


def volume_learning(profile: Profile) -> str:
    """Why volume is not judged yet; "" when it is."""
    needed = LAST_WEEK + ENOUGH_DAYS
    if profile.known >= needed:
        return ""
    return f"volume is judged from {needed} days of history on: each weekday has to have been seen twice"


def judge_volume(profile: Profile) -> list[Finding]:
    """Findings on the window as a whole, on hours that are out of line, and on hours without an event."""
    if volume_learning(profile):
        return []
    found = []
    fence = _fence(profile.rows, profile.known)
    if fence and (finding := _whole(profile, fence)):
        found.append(finding)
    return found + _hours(profile, profile.known)


def judge_refused_elsewhere(profile: Profile) -> list[Finding]:
    """Findings on letters that belong to no topic of the archive: more of them than there were."""
    if min(profile.known, profile.letters_known) < LAST_WEEK + ENOUGH_DAYS:
        return []
    found = []
    for one in profile.refused:
        fence = _fence(one.rows, min(profile.known, profile.letters_known))
        now = int(one.rows[0])
        if fence and now > fence.high:
            told = f"{one.reason} ({one.field})" if one.field else one.reason
            what = f"refused:{one.reason}"
            text = f"{number(now)} were refused as {told}; {number(fence.expected)} are usual"
            found.append(_finding(profile, "formats", what, one.field, "warning", now, fence, one.rows, text))
    return found


def _fence(counts: Counts, known: int) -> Fence | None:
    """The fence of day 0, by the same weekdays of the weeks before."""
    pairs = _pairs(counts, known)
    spread = spread_of(pairs)
    weeks = counts[LAST_WEEK : known + 1 : LAST_WEEK]
    return None if spread is None else count_fence(weeks, spread, len(pairs))


def _pairs(counts: Counts, known: int) -> Counts:
    """int64[n, 2]: each day of history, and the day a week before it."""
    days = np.arange(1, known - LAST_WEEK + 1)
    return np.stack([counts[days], counts[days + LAST_WEEK]], axis=-1)


def _whole(profile: Profile, fence: Fence) -> Finding | None:
    now, week = int(profile.rows[0]), int(profile.rows[LAST_WEEK])
    way = fence.leaves(now)
    # A week ago may have been odd itself: both it and the weeks before it have to say so.
    if not way or abs(now - fence.expected) < _MATTERS * fence.expected or (now - week) * way <= 0:
        return None
    ratio = now / fence.expected if fence.expected else float("inf")
    severity: Severity = "alarm" if ratio < _ALARM_BELOW or ratio > _ALARM_ABOVE else "warning"
    text = f"{number(now)} events; {number(fence.expected)} are usual; last week: {number(week)} ({times(now, week)})"
    return _finding(profile, "volume", "rows", "", severity, now, fence, profile.rows, text)


def _hours(profile: Profile, known: int) -> list[Finding]:
    """Hours that are empty though they hardly ever are, and hours far from what the weeks before had."""
    pairs = np.concatenate([_pairs(profile.hours[:, hour], known) for hour in range(profile.span.hours)])
    spread = spread_of(pairs)
    if spread is None:
        return []
    empty, odd = [], []
    for hour in range(profile.span.hours):
        weeks, now = profile.hours[LAST_WEEK : known + 1 : LAST_WEEK, hour], int(profile.hours[0, hour])
        fence = count_fence(weeks, spread, min(len(pairs), HISTORY_DAYS * 2), _HOUR_ALPHA)
        if not now:
            if fence.expected and empty_chance(weeks, spread) < _EMPTY_CHANCE:
                empty.append(hour)
        elif fence.leaves(now) and abs(now - fence.expected) > _HOURS_MATTER * fence.expected:
            odd.append(hour)
    found = []
    if empty:
        expected, rows = _of_hours(profile, empty, known)
        text = f"no events in {_named(profile, empty)}, where {number(expected)} are usual"
        fence = Fence(expected, expected, expected)
        found.append(_finding(profile, "volume", "empty_hours", "", "alarm", 0, fence, rows, text, empty[0]))
    if odd:
        expected, rows = _of_hours(profile, odd, known)
        text = f"{number(rows[0])} events in {_named(profile, odd)}; {number(expected)} are usual"
        fence = Fence(expected, expected, expected)
        found.append(_finding(profile, "volume", "odd_hours", "", "warning", int(rows[0]), fence, rows, text, odd[0]))
    return found


def _of_hours(profile: Profile, hours: list[int], known: int) -> tuple[float, Counts]:
    """How many events are usual in some hours together, and how many there were on each day."""
    rows: Counts = profile.hours[:, hours].sum(axis=1)
    weeks = profile.hours[LAST_WEEK : known + 1 : LAST_WEEK][:, hours]
    return float(np.median(weeks, axis=0).sum()), rows


def _named(profile: Profile, hours: list[int]) -> str:
    """Hours for people: `09:00, 10:00` by the clock."""
    starts = [from_us(profile.span.since_us + hour * HOUR_US).strftime("%H:%M") for hour in hours]
    shown = ", ".join(starts[:6]) + (f" and {len(starts) - 6} more" if len(starts) > 6 else "")
    return f"{len(hours)} {'hours' if len(hours) > 1 else 'hour'} (from {shown})"


def _finding(
    profile: Profile,
    check: Check,
    what: str,
    field: str,
    severity: Severity,
    now: int,
    fence: Fence,
    rows: Counts,
    text: str,
    hour: int = 0,
) -> Finding:
    return Finding(
        topic=profile.topic,
        check=check,
        field=field,
        what=what,
        severity=severity,
        since_us=profile.span.since_us + hour * HOUR_US,
        unit="events",
        now=float(now),
        usual=fence.expected,
        low=fence.low,
        high=fence.high,
        last_week=float(rows[LAST_WEEK]),
        events=now,
        text=text,
        advice=advice_on(check, what, profile.topic if check == "volume" else ""),
    )
