"""What was refused: dead letters by topic, reason and field, a count for each day of an audit."""

from __future__ import annotations

import re
from collections.abc import Callable

from rapport.archive.schema import TOPICS
from rapport.audit.profile import Refusal
from rapport.audit.span import DAY_US, HISTORY_DAYS, Span
from rapport.bus.protocol import Bus
from rapport.clock import Clock, WorldClock
from rapport.dead_letters.box import letters_of

__all__ = ["ELSEWHERE", "count_refused", "days_known"]

ELSEWHERE = "elsewhere"
"""The topic of letters that were sent to none of the archive's: payloads of webhooks, unknown topics."""
_MOST_FIELDS = 60
"""Reasons with their fields that are told apart in a topic."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,39}")


def count_refused(
    bus: Bus, span: Span, clock: Clock, seen: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, list[Refusal]]:
    """The refusals of each topic, the most frequent first. Letters that were retried or dropped count: they were
    refused. A page of them is in memory at a time.

    Args:
        clock: of the world: letters have the machine's time, and audits are of the world's.

    Raises:
        BusUnavailable
    """
    found: dict[str, dict[tuple[str, str], Refusal]] = {}
    for stored in letters_of(bus, seen=seen):
        letter = stored.letter
        time_us = clock.at(letter.arrival_us) if isinstance(clock, WorldClock) else letter.arrival_us
        day = span.day_of(time_us)
        if day is None:
            continue
        refusals = found.setdefault(letter.topic if letter.topic in TOPICS else ELSEWHERE, {})
        refusal = _of(refusals, letter.reason, letter.field)
        refusal.rows[day] += 1
    return {topic: sorted(some.values(), key=lambda one: -int(one.rows.sum())) for topic, some in found.items()}


def days_known(span: Span, now_us: int, kept_days: int) -> int:
    """How many days before the audited one letters are still kept of.

    Args:
        now_us: the world's present.
        kept_days: RAPPORT_DEADLETTERS_DAYS; 0: for ever.
    """
    if not kept_days:
        return HISTORY_DAYS
    oldest_us = now_us - kept_days * DAY_US
    return max(0, min(HISTORY_DAYS, (span.since_us - oldest_us) // DAY_US))


def _of(refusals: dict[tuple[str, str], Refusal], reason: str, field: str) -> Refusal:
    """The count of a reason and field. The name of an unknown field is the producer's text: what does not look like a
    name is not told."""
    key = (reason, field if _NAME.fullmatch(field) else "")
    if key not in refusals and len(refusals) >= _MOST_FIELDS:
        key = (reason, "")
    return refusals.setdefault(key, Refusal(*key))
