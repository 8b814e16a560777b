"""A finding: what has changed in a topic, by how much, since when, and what to do. Findings of two audits compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

__all__ = ["CHECKS", "SEVERITIES", "Check", "Finding", "Severity", "compare"]

Check: TypeAlias = Literal["missing", "formats", "duplicates", "late", "future", "volume", "ranges"]
Severity: TypeAlias = Literal["info", "warning", "alarm"]
CHECKS: tuple[Check, ...] = ("missing", "formats", "duplicates", "late", "future", "volume", "ranges")
SEVERITIES: tuple[Severity, ...] = ("alarm", "warning", "info")
"""Worst first."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was. Times are UTC microseconds of the world's clock.

    Attributes:
        field: of the event; "" for the topic as a whole.
        what: a stable code; topic, check, field and what together name the finding from one audit to the next.
        severity: info is good to know, a warning should be looked at, an alarm now.
        status: new, ongoing (an earlier audit had it), or resolved (the one before had it, this one has not).
        since_us: where the first of the windows begins that have it without a break.
        unit: of the figures: `share` (0 to 1), `events`, or `value` (of the field itself).
        now, usual, low, high, last_week: the figure, what history leads to expect, between what it would be usual, and
            what it was in the same window last week; None: not known.
        events: how many events of the window it is about; from a sample where there are many.
        text, advice: a sentence on what it is, and one on what to do.
    """

    topic: str
    check: Check
    field: str
    what: str
    severity: Severity
    since_us: int
    unit: Literal["share", "events", "value"]
    now: float
    usual: float | None
    low: float | None
    high: float | None
    last_week: float | None
    events: int
    text: str
    advice: str
    status: Literal["new", "ongoing", "resolved"] = "new"

    @property
    def id(self) -> str:
        return "/".join((self.topic, self.check, self.field, self.what))


def compare(
    found: Iterable[Finding], before: Sequence[Finding], unjudged: Callable[[Finding], bool] = lambda finding: False
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The findings with their status, new and worst first; and those of the audit before that are gone.

    Args:
        found: by this audit.
        before: open ones of the last audit of the same topics.
        unjudged: whether nothing can be said of a finding now, so that it stays open.
    """
    open_before = {finding.id: finding for finding in before}
    now = {finding.id: _continued(finding, open_before.get(finding.id)) for finding in found}
    for finding in before:
        if finding.id not in now and unjudged(finding):
            now[finding.id] = msgspec.structs.replace(finding, status="ongoing")
    gone = [
        msgspec.structs.replace(finding, status="resolved") for key, finding in open_before.items() if key not in now
    ]
    order = sorted(now.values(), key=lambda one: (one.status != "new", SEVERITIES.index(one.severity), one.id))
    return tuple(order), tuple(sorted(gone, key=lambda one: one.id))


def _continued(finding: Finding, before: Finding | None) -> Finding:
    if before is None:
        return finding
    return msgspec.structs.replace(finding, status="ongoing", since_us=min(finding.since_us, before.since_us))
