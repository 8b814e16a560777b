"""Judging numbers: the ranges that history has taught, and single values that are far beyond them."""

from __future__ import annotations

import numpy as np

from rapport.audit.findings import Check, Finding
from rapport.audit.profile import LATENESS, Numbers, Profile
from rapport.audit.shares import MANY, SOME, Share, judge_share
from rapport.audit.span import LAST_WEEK
from rapport.audit.words import advice_on, number

__all__ = ["judge_ranges"]

_TIMES_OUT = 10
"""A value that is this many times as far from the middle as history ever was is told, be it the only one."""


def judge_ranges(profile: Profile) -> list[Finding]:
    """Findings on each number of a topic, how long events were on their way among them."""
    found = []
    for name, numbers in profile.numbers.items():
        check: Check = "late" if name == LATENESS else "ranges"
        if np.isnan(numbers.now).any() or np.isnan(numbers.before).any():
            continue
        # One fault shows in several figures: the gravest is told, under one name, so that it stays one finding.
        for shares in (_tails(check, name, numbers), _quarters(check, name, numbers)):
            out = [one for share in shares if (one := judge_share(profile, share))]
            if out:
                found.append(max(out, key=lambda one: abs(one.now - (one.usual or 0))))
                break
        else:
            found += _extreme(profile, check, name, numbers)
    return found


def _tails(check: Check, name: str, numbers: Numbers) -> list[Share]:
    low, high = number(numbers.before[0]), number(numbers.before[-1])
    given = numbers.given
    above = f"{name}: {{now}} are above {high}, where {{usual}} is usual"
    below = f"{name}: {{now}} are below {low}, where {{usual}} is usual"
    beyond = f"{name}: {{now}} are further out than history ever was, by as much again"
    shares = [
        Share(check=check, field=name, what="range", part=numbers.high, whole=given, text=above, matters=SOME),
        Share(check=check, field=name, what="range", part=numbers.beyond, whole=given, text=beyond),
    ]
    if check == "ranges":
        shares.append(
            Share(check=check, field=name, what="range", part=numbers.low, whole=given, text=below, matters=SOME)
        )
    return shares


def _quarters(check: Check, name: str, numbers: Numbers) -> list[Share]:
    middle, usual = number(numbers.now[2]), number(numbers.before[2])
    moved = f"{name} has moved: its median is {middle}, {usual} is usual"
    return [
        Share(
            check=check,
            field=name,
            what="moved",
            part=numbers.quarters[:, i],
            whole=numbers.given,
            text=f"{moved}; {{now}} are at most {number(numbers.before[i + 1])}, {{usual}} is usual",
            matters=MANY,
            side="down" if check == "late" else "both",
            worst="warning",
        )
        for i in range(3)
    ]


def _extreme(profile: Profile, check: Check, name: str, numbers: Numbers) -> list[Finding]:
    """A value so far out that it is an error rather than a rarity."""
    middle = float(numbers.before[2])
    known = slice(1, profile.known + 1)
    least, greatest = float(np.nanmin(numbers.least[known])), float(np.nanmax(numbers.greatest[known]))
    limits = (middle - _TIMES_OUT * (middle - least), middle + _TIMES_OUT * (greatest - middle))
    found = []
    for what, now, limit, before, side in (
        ("least", numbers.least[0], limits[0], least, -1),
        ("greatest", numbers.greatest[0], limits[1], greatest, 1),
    ):
        if before == middle or (now - limit) * side <= 0:
            continue
        week = (numbers.least if side < 0 else numbers.greatest)[LAST_WEEK]
        found.append(
            Finding(
                topic=profile.topic,
                check=check,
                field=name,
                what=what,
                severity="warning",
                since_us=profile.span.since_us,
                unit="value",
                now=float(now),
                usual=before,
                low=limits[0],
                high=limits[1],
                last_week=None if np.isnan(week) else float(week),
                events=1,
                text=f"{name}: the {what} value is {number(now)}; in history it was {number(before)}",
                advice=advice_on(check, what, profile.topic),
            )
        )
    return found
