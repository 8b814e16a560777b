"""Judging a share of a topic's events against the fence that its own history makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rapport.audit.fences import Fence, share_fence
from rapport.audit.findings import Check, Finding, Severity
from rapport.audit.profile import Counts, Profile
from rapport.audit.span import LAST_WEEK
from rapport.audit.words import advice_on, percent

__all__ = ["FEW", "MANY", "SOME", "Share", "Side", "judge_share"]

FEW, SOME, MANY = 0.001, 0.01, 0.1
"""Changes of a share that matter: of what should not be at all, of what is rare, of how values are spread."""
_ALARM_FROM = 0.05
"""A change of a share by this much of all events is an alarm."""
Side: TypeAlias = Literal["up", "down", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share that is judged.

    Attributes:
        part, whole: int64[DAYS].
        text: a sentence with {now}, {usual} and {week} for the shares.
        matters: smaller changes are no finding.
        side: which way out of its fence it is one.
        worst: its severity from a change of 5 % of the events on; below that a warning.
        reason: of dead letters, where it is of these.
        less_is_good: less of it is good to know, and nothing to look at.
    """

    check: Check
    field: str = ""
    what: str
    part: Counts
    whole: Counts
    text: str
    matters: float = FEW
    side: Side = "up"
    worst: Severity = "alarm"
    reason: str = ""
    less_is_good: bool = False


def judge_share(profile: Profile, share: Share, fence: Fence | None = None) -> Finding | None:
    """The finding that a share is, if it is one.

    Args:
        fence: default: the one that the share's own history makes.
    """
    known = min(profile.known, profile.letters_known) if share.reason else profile.known
    days = slice(1, known + 1)
    if not share.whole[0] or not (share.part[0] or share.part[days].any()):
        return None
    fence = fence or share_fence(share.part[days], share.whole[days], int(share.whole[0]))
    now = float(share.part[0] / share.whole[0])
    if fence is None or abs(now - fence.expected) < share.matters:
        return None
    way = fence.leaves(now)
    if not way or share.side == ("down" if way > 0 else "up"):
        return None
    week = float(share.part[LAST_WEEK] / share.whole[LAST_WEEK]) if share.whole[LAST_WEEK] else None
    return Finding(
        topic=profile.topic,
        check=share.check,
        field=share.field,
        what=share.what,
        severity=_severity(share, way, abs(now - fence.expected)),
        since_us=_since_us(profile, share, fence, way, known),
        unit="share",
        now=now,
        usual=fence.expected,
        low=fence.low,
        high=fence.high,
        last_week=week,
        events=round(now * int(max(profile.rows[0], share.whole[0]))),
        text=share.text.format(
            now=percent(now), usual=percent(fence.expected), week="-" if week is None else percent(week)
        ),
        advice=advice_on(share.check, share.what, profile.topic),
    )


def _severity(share: Share, way: int, change: float) -> Severity:
    if share.less_is_good and way < 0:
        return "info"
    return share.worst if change >= _ALARM_FROM else "warning"


def _since_us(profile: Profile, share: Share, fence: Fence, way: int, known: int) -> int:
    """Where the first of the windows begins that have left the fence the same way, without a break."""
    day = 0
    while day < known and share.whole[day + 1] and way == fence.leaves(share.part[day + 1] / share.whole[day + 1]):
        day += 1
    return profile.span.start_us(day)
