"""What an audit writes down, as JSON: version 1. Nothing in it speaks of a customer: shapes, counts and shares do."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from rapport.audit.findings import Finding, Severity
from rapport.audit.judge import check_of_reason, learning
from rapport.audit.profile import LATENESS, Counted, Numbers, Profile, Refusal
from rapport.audit.span import LAST_WEEK
from rapport.audit.volume import volume_learning

__all__ = [
    "VERSION",
    "AuditReport",
    "DuplicatesReport",
    "FieldReport",
    "NumberReport",
    "RefusedReport",
    "TextReport",
    "TopicReport",
    "schema_text",
    "topic_report",
]

VERSION = 1
"""Of the JSON document. A field that is added does not change it; one that goes or means something else does."""
_TEXTS = 12
"""The most frequent shapes and values of a field that are told."""


class TextReport(msgspec.Struct, frozen=True):
    """A shape or a value: its share of the events that have one, now and in history."""

    text: str
    now: float
    before: float


class NumberReport(msgspec.Struct, frozen=True):
    """A number: quantiles (1 %, 25 %, 50 %, 75 %, 99 %), least and greatest, now and in history; null without any."""

    now: tuple[float | None, ...]
    before: tuple[float | None, ...]
    least: float | None
    greatest: float | None
    least_before: float | None
    greatest_before: float | None


class FieldReport(msgspec.Struct, frozen=True, kw_only=True):
    """A field of the events.

    Attributes:
        missing, missing_before: share of events without it; null without events.
        missing_days: the same for each day of history and the audited one, the oldest first; null without events.
        shapes, values: the most frequent ones; none of numbers, and no values where they are many.
    """

    name: str
    missing: float | None
    missing_before: float | None
    missing_days: tuple[float | None, ...]
    shapes: tuple[TextReport, ...] = ()
    values: tuple[TextReport, ...] = ()
    number: NumberReport | None = None


class DuplicatesReport(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the window's events; null without events.

    Attributes:
        looked_at: share of the ids that were looked at; 1: all.
    """

    repeats: float | None
    conflicts: float | None
    twins: float | None
    looked_at: float


class RefusedReport(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters of one reason and field: how many in the window, last week, and in all of history."""

    reason: str
    field: str
    check: str
    now: int
    last_week: int
    before: int


class TopicReport(msgspec.Struct, frozen=True, kw_only=True):
    """One topic.

    Attributes:
        rows, last_week: events of the window, and of the same window last week.
        known_days: days of history there are, at most 28.
        learning: why something is not judged yet; "" when everything is.
        days: events of each day's window, the oldest first, the audited one last.
        hours, hours_last_week: events of each hour of the window.
        late, ahead: share of the events that came late, and that claimed a time after their arrival.
        lateness: how long events were on their way, seconds.
        sampled: events that shapes, values and numbers are of.
    """

    topic: str
    rows: int
    last_week: int
    known_days: int
    learning: str
    days: tuple[int, ...]
    hours: tuple[int, ...]
    hours_last_week: tuple[int, ...]
    late: float | None
    ahead: float | None
    lateness: NumberReport | None
    duplicates: DuplicatesReport
    refused: tuple[RefusedReport, ...]
    fields: tuple[FieldReport, ...]
    sampled: int


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """One audit. Times are UTC microseconds: made_us of the machine's clock, all others of the world's.

    Attributes:
        seconds: how long it took.
        since_us, until_us: the window, of arrival.
        notes: what could not be looked at, and why.
        findings: new ones first, the worst first.
        resolved: what the audit before had, and this one has not.
        compared_with_us: `until_us` of the audit that the findings were compared with; null: of none.
    """

    version: int = VERSION
    made_us: int
    seconds: float
    since_us: int
    until_us: int
    late_from_s: float
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    resolved: tuple[Finding, ...]
    compared_with_us: int | None
    topics: tuple[TopicReport, ...]

    def count(self, severity: Severity) -> int:
        """How many findings have a severity."""
        return sum(finding.severity == severity for finding in self.findings)


def schema_text() -> str:
    """The JSON Schema of an audit's document, as docs/audit-report.schema.json has it."""
    return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(AuditReport)), indent=1).decode() + "\n"


def topic_report(profile: Profile) -> TopicReport:
    """A profile for people and machines."""
    known = slice(1, profile.known + 1)
    lateness = profile.numbers.get(LATENESS)
    names = list(profile.missing)
    return TopicReport(
        topic=profile.topic,
        rows=int(profile.rows[0]),
        last_week=int(profile.rows[LAST_WEEK]),
        known_days=profile.known,
        learning=learning(profile) or volume_learning(profile),
        days=tuple(profile.rows[profile.known :: -1].tolist()),
        hours=tuple(profile.hours[0].tolist()),
        hours_last_week=tuple(profile.hours[LAST_WEEK].tolist()),
        late=_share(profile.late[0], profile.rows[0]),
        ahead=_share(profile.ahead[0], profile.rows[0]),
        lateness=_number(lateness, known) if lateness else None,
        duplicates=DuplicatesReport(
            repeats=_share(profile.repeats[0], profile.checked[0]),
            conflicts=_share(profile.conflicts[0], profile.checked[0]),
            twins=_share(profile.twins[0], profile.checked[0]),
            looked_at=profile.thinned,
        ),
        refused=tuple(_refused(one) for one in profile.refused),
        fields=tuple(_field(profile, name, known) for name in names),
        sampled=int(profile.sampled[0]),
    )


def _field(profile: Profile, name: str, known: slice) -> FieldReport:
    missing, rows, numbers = profile.missing[name], profile.rows, profile.numbers.get(name)
    days = range(profile.known, -1, -1)
    return FieldReport(
        name=name,
        missing=_share(missing[0], rows[0]),
        missing_before=_share(missing[known].sum(), rows[known].sum()),
        missing_days=tuple(_share(missing[day], rows[day]) for day in days),
        shapes=_texts(profile.shapes.get(name)),
        values=_texts(profile.words.get(name)),
        number=_number(numbers, known) if numbers else None,
    )


def _texts(counted: Counted | None) -> tuple[TextReport, ...]:
    """The most frequent texts, as they are told: values that are told alike are one."""
    if counted is None:
        return ()
    whole = counted.counts.sum(axis=1) + counted.left_out
    told: dict[str, list[int]] = {}
    for i, label in enumerate(counted.labels):
        now, before = told.setdefault(label, [0, 0])
        told[label] = [now + int(counted.counts[0, i]), before + int(counted.counts[1:, i].sum())]
    found = [
        TextReport(label, _share(now, whole[0]) or 0.0, _share(before, whole[1:].sum()) or 0.0)
        for label, (now, before) in told.items()
    ]
    return tuple(sorted(found, key=lambda one: -max(one.now, one.before))[:_TEXTS])


def _number(numbers: Numbers, known: slice) -> NumberReport:
    def outermost(values: Iterable[float], pick: str) -> float | None:
        real = [value for value in values if not math.isnan(value)]
        return (max if pick == "max" else min)(real) if real else None

    return NumberReport(
        tuple(_real(value) for value in numbers.now.tolist()),
        tuple(_real(value) for value in numbers.before.tolist()),
        _real(float(numbers.least[0])),
        _real(float(numbers.greatest[0])),
        outermost(numbers.least[known].tolist(), "min"),
        outermost(numbers.greatest[known].tolist(), "max"),
    )


def _refused(one: Refusal) -> RefusedReport:
    return RefusedReport(
        reason=one.reason,
        field=one.field,
        check=check_of_reason(one.reason),
        now=int(one.rows[0]),
        last_week=int(one.rows[LAST_WEEK]),
        before=int(one.rows[1:].sum()),
    )


def _share(part: int, whole: int) -> float | None:
    return float(part) / float(whole) if whole else None


def _real(value: float) -> float | None:
    return None if math.isnan(value) else value
