"""One audit, from the archive and the dead letters to the report that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rapport.archive import Archive
from rapport.audit.findings import Finding, compare
from rapport.audit.judge import judge, learning
from rapport.audit.letters import ELSEWHERE, count_refused, days_known
from rapport.audit.page import page_of
from rapport.audit.profile import Profile, Refusal
from rapport.audit.report import AuditReport, topic_report
from rapport.audit.scan import Limits, scan
from rapport.audit.span import DAY_US, HISTORY_DAYS, Span
from rapport.audit.store import audits_folder, last_findings, only_one, save
from rapport.bus import open_bus
from rapport.clock import Clock, SystemClock, from_us
from rapport.consistency.settled import settled_until_us
from rapport.errors import BusError, ServiceError
from rapport.metrics.audits import write_figures
from rapport.settings import Settings

__all__ = ["Audited", "Question", "audit"]

Show = Callable[[float, float | None, str], None]
"""Told how much is done, of how much, and what is being done."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is audited.

    Attributes:
        topics: of the archive; none: those that have events.
        until_us: the window's end, the world's time; None: now, or as far as the archive is complete.
        length_us: the window's length.
    """

    topics: tuple[str, ...] = ()
    until_us: int | None = None
    length_us: int = DAY_US


@dataclass(frozen=True, slots=True)
class Audited:
    """A report, and where its page and its JSON are."""

    report: AuditReport
    page: Path
    json: Path


def audit(
    settings: Settings,
    question: Question,
    clock: Clock,
    *,
    folder: Path | None = None,
    show: Show = lambda done, total, text: None,
) -> Audited:
    """Audit, compare with the audit before, and keep the report.

    Args:
        clock: of the world.
        folder: where reports are kept; default audits_folder.

    Raises:
        SettingsError: a window that cannot be audited.
        ArchiveError: an unknown topic, or a table that cannot be read.
        ServiceError: another audit runs.
    """
    folder = folder or audits_folder(settings)
    with only_one(folder):
        started_s, made_us = time.monotonic(), SystemClock().now_us()
        span, notes = _span(settings, question, clock)
        profiles, letters_read = _profiles(settings, question, span, clock, notes, show)
        topics = [profile.topic for profile in profiles]
        before, compared_us = last_findings(folder, topics, span.until_us)
        found = [finding for profile in profiles for finding in judge(profile)]
        findings, resolved = compare(found, before, _unjudged(profiles, letters_read))
        report = AuditReport(
            made_us=made_us,
            seconds=round(time.monotonic() - started_s, 3),
            since_us=span.since_us,
            until_us=span.until_us,
            late_from_s=float(settings.audit_late_s),
            notes=tuple(notes),
            findings=findings,
            resolved=resolved,
            compared_with_us=compared_us,
            topics=tuple(map(topic_report, profiles)),
        )
        page = save(folder, report, page_of(report), settings.audit_kept)
        write_figures(folder, report)
        return Audited(report, page, page.with_suffix(".json"))


def _span(settings: Settings, question: Question, clock: Clock) -> tuple[Span, list[str]]:
    """The window, and what is to be said of its end."""
    notes = []
    settled_us = settled_until_us(settings, clock)
    if settled_us is None:
        notes.append("the bus does not answer: the archive is taken to be complete, and dead letters are not counted")
    # The end is not of the window, and what has arrived by now is: all of it, where the world's clock stands still.
    complete_us = 1 + (clock.now_us() if settled_us is None else settled_us)
    if question.until_us is not None and question.until_us > complete_us:
        complete = f"{from_us(complete_us):%Y-%m-%d %H:%M:%S}"
        notes.append(f"the window ends later than the archive, which is complete up to {complete}")
    until_us = complete_us if question.until_us is None else question.until_us
    return Span(until_us, question.length_us), notes


def _profiles(
    settings: Settings, question: Question, span: Span, clock: Clock, notes: list[str], show: Show
) -> tuple[list[Profile], bool]:
    """What was counted of each topic, and whether dead letters could be."""
    archive = Archive(settings.data_dir / "archive")
    for topic in question.topics:
        archive.table(topic)  # refuses an unknown one
    topics = question.topics or tuple(archive.topics())
    if not topics:
        notes.append("the archive is empty")
    refused = _refused(settings, span, clock, show)
    limits, profiles = Limits(late_us=settings.audit_late_s * 1_000_000), []
    for number, topic in enumerate(topics):
        profile = scan(archive, topic, span, limits, partial(show, number, len(topics)))
        profiles.append(_with_letters(profile, settings, clock, (refused or {}).get(topic, [])))
    if refused and not question.topics:
        elsewhere = Profile(ELSEWHERE, span, known=HISTORY_DAYS)
        if ELSEWHERE in refused:
            profiles.append(_with_letters(elsewhere, settings, clock, refused[ELSEWHERE]))
    show(len(topics), len(topics), "judging")
    return profiles, refused is not None


def _with_letters(profile: Profile, settings: Settings, clock: Clock, refused: list[Refusal]) -> Profile:
    profile.refused = refused
    profile.letters_known = days_known(profile.span, clock.now_us(), settings.deadletters_days)
    return profile


def _refused(settings: Settings, span: Span, clock: Clock, show: Show) -> dict[str, list[Refusal]] | None:
    """The refusals by topic; None when the bus does not answer."""
    try:
        with closing(open_bus(settings)) as bus:
            return count_refused(bus, span, clock, lambda done, total: show(done, total, "dead letters"))
    except (BusError, ServiceError):
        return None


def _unjudged(profiles: list[Profile], letters_read: bool) -> Callable[[Finding], bool]:
    """A finding stays open where there is nothing to judge it by: no events, no history, no dead letters."""
    silent = {one.topic for one in profiles if not one.rows[0] or learning(one)} - {ELSEWHERE}

    def unjudged(finding: Finding) -> bool:
        if finding.what.startswith("refused:") and not letters_read:
            return True
        return finding.topic in silent and finding.check != "volume"

    return unjudged
