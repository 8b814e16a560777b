"""Counting all rows of a topic, in one pass."""

from __future__ import annotations

from itertools import chain

import numpy as np

from rapport.audit.profile import DAYS, LATENESS, SHARES, Floats, Numbers, Profile, zeros
from rapport.audit.rows import TopicRows
from rapport.audit.span import DAY_US, HISTORY_DAYS

__all__ = ["count"]


def count(rows: TopicRows, profile: Profile, late_us: int) -> None:
    """Fill what is counted of all rows: by day and hour, without a value, late, ahead, least and greatest."""
    numbers = [field for field in rows.fields if field.kind in ("number", "length")]
    known = [f"count({field.sql})" for field in rows.fields]
    extremes = list(chain.from_iterable((f"min({f.sql})", f"max({f.sql})") for f in numbers))
    late, claimed = rows.late, "count(claimed_time)" if rows.arrives else "0"
    found = rows.ask(
        f"SELECT {rows.day} AS day, {rows.span.hour_sql(rows.time)} AS hour, count(*), "  # noqa: S608
        f"count(*) FILTER ({late} > {late_us}), {claimed}, min({late}), max({late}), "
        f"{', '.join([*known, *extremes])} FROM {rows.rows()} GROUP BY ALL"
    )
    profile.known = _days_known(rows)
    profile.missing = {field.name: zeros() for field in rows.fields}
    ranges = {name: _nothing() for name in [field.name for field in numbers] + [LATENESS] * rows.arrives}
    for day, hour, events, is_late, ahead, least, greatest, *more in found:
        if day is None:
            continue
        profile.rows[day] += events
        profile.hours[day, hour] += events
        profile.late[day] += is_late
        profile.ahead[day] += ahead
        for field, given in zip(rows.fields, more, strict=False):
            profile.missing[field.name][day] += events - given
        both = [*zip(*[iter(more[len(rows.fields) :])] * 2, strict=True)]
        both += [(least / 1e6, greatest / 1e6)] * rows.arrives
        for (low, high), (lows, highs) in zip(both, ranges.values(), strict=True):
            if low is not None:
                lows[day], highs[day] = np.fmin(lows[day], low), np.fmax(highs[day], high)
    profile.numbers = {name: _numbers(*both) for name, both in ranges.items()}


def _days_known(rows: TopicRows) -> int:
    """Of how many days the whole window lies after the topic's first arrival."""
    if rows.ask(f"SELECT 1 FROM {rows.source} WHERE {rows.arrival} < {rows.first()} LIMIT 1"):  # noqa: S608 - see relation
        return HISTORY_DAYS
    (first_us,) = rows.ask(f"SELECT min({rows.time}) FROM {rows.rows()}")[0]  # noqa: S608 - see relation
    return 0 if first_us is None else int(np.clip((rows.span.since_us - first_us) // DAY_US, 0, HISTORY_DAYS))


def _nothing() -> tuple[Floats, Floats]:
    return np.full(DAYS, np.nan), np.full(DAYS, np.nan)


def _numbers(least: Floats, greatest: Floats) -> Numbers:
    now, before = (np.full(len(SHARES), np.nan) for _ in range(2))
    return Numbers(zeros(), zeros(), zeros(), zeros(3), zeros(), now, before, least, greatest)
