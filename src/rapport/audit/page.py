"""An audit as a page that needs nothing else: what changed first, then each topic with its plots."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from importlib.resources import files
from string import Template

from rapport.audit.findings import Finding
from rapport.audit.plots import days_plot, hours_plot, range_plot, share_line
from rapport.audit.report import AuditReport, FieldReport, TextReport, TopicReport
from rapport.audit.shares import FEW
from rapport.audit.span import DAY_US, HOUR_US
from rapport.audit.words import number, percent, times
from rapport.clock import from_us

__all__ = ["page_of"]

_TOLD_APART = 0.05
"""A share that differs from history's by this much is marked, and one of what history lacks."""


def page_of(report: AuditReport) -> str:
    """The page's text. Whatever was sent in is escaped; customers are not in it."""
    template = Template(files("rapport.audit").joinpath("page.html").read_text())
    return template.substitute(
        title=_time(report.until_us),
        when=_when(report),
        tiles="".join(_tiles(report)),
        notes="".join(f'<p class="note">{escape(note)}</p>' for note in report.notes),
        findings=_findings(report.findings) or "<p>Nothing: everything is within what history has taught.</p>",
        resolved=f"<h2>Resolved since then</h2>{_findings(report.resolved)}" if report.resolved else "",
        links="".join(f'<a href="#{escape(one.topic)}">{escape(one.topic)}</a>' for one in report.topics),
        topics="".join(_topic(one, report) for one in report.topics),
        seconds=f"{report.seconds:.1f}",
    )


def _when(report: AuditReport) -> str:
    text = f"What arrived from {_time(report.since_us)} to {_time(report.until_us)}, against the 28 days before"
    if report.compared_with_us is None:
        return f"{text}; there was no audit before this one."
    return f"{text}; new and resolved: since the audit up to {_time(report.compared_with_us)}."


def _tiles(report: AuditReport) -> Iterable[str]:
    alarms, warnings = report.count("alarm"), report.count("warning")
    new = sum(finding.status == "new" for finding in report.findings)
    yield _tile(f"{sum(one.rows for one in report.topics):,}", "events")
    yield _tile(str(alarms), "alarms", "alarm" if alarms else "good")
    yield _tile(str(warnings), "warnings", "warning" if warnings else "good")
    yield _tile(str(report.count("info")), "good to know")
    yield _tile(str(new), "new")
    yield _tile(str(len(report.resolved)), "resolved")


def _tile(figure: str, text: str, kind: str = "") -> str:
    return f'<div class="tile {kind}"><b>{figure}</b>{text}</div>'


def _findings(findings: Iterable[Finding]) -> str:
    rows = "".join(map(_finding, findings))
    head = (
        '<tr><th></th><th>topic, field</th><th>what, and what to do</th><th class="n">usual</th>'
        '<th class="n">last week</th><th class="n">now</th><th class="n">events</th><th>since</th></tr>'
    )
    return f"<table>{head}{rows}</table>" if rows else ""


def _finding(one: Finding) -> str:
    kind = "resolved" if one.status == "resolved" else one.severity
    return (
        f'<tr><td class="w"><span class="mark {kind}">{kind}</span><br><span class="status">{one.status}</span></td>'
        f'<td class="w">{escape(one.topic)}<small>{escape(one.field) or escape(one.check)}</small></td>'
        f"<td>{escape(one.text)}<small>{escape(one.advice)}</small></td>"
        f'<td class="n">{_figure(one.usual, one.unit)}<small>{_span(one)}</small></td>'
        f'<td class="n">{_figure(one.last_week, one.unit)}</td><td class="n">{_figure(one.now, one.unit)}</td>'
        f'<td class="n">{one.events:,}</td><td class="w">{from_us(one.since_us):%Y-%m-%d %H:%M}</td></tr>'
    )


def _span(one: Finding) -> str:
    if one.low is None or one.high is None or one.low == one.high:
        return ""
    return f"{_figure(one.low, one.unit)} to {_figure(one.high, one.unit)}"


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return percent(value) if unit == "share" else number(value)


def _topic(one: TopicReport, report: AuditReport) -> str:
    week = f"{times(one.rows, one.last_week)} ({one.last_week:,})" if one.last_week else "no event"
    learning = f'<p class="note">{escape(one.learning)}</p>' if one.learning else ""
    duplicates = one.duplicates
    facts = [
        f"late by {report.late_from_s / 3600:,.3g} h and more: {_percent(one.late)}",
        f"ahead of their arrival: {_percent(one.ahead)}",
        f"repeats: {_percent(duplicates.repeats)}",
        f"one id, two events: {_percent(duplicates.conflicts)}",
        f"one event, two ids: {_percent(duplicates.twins)}",
        *([f"repeats looked for among {percent(duplicates.looked_at)} of the ids"] if duplicates.looked_at < 1 else []),
        *([f"shapes and values of {one.sampled:,} events"] if one.sampled < one.rows else []),
    ]
    return (
        f'<h2 id="{escape(one.topic)}">{escape(one.topic)}</h2>{learning}'
        f"<p>{one.rows:,} events; last week: {week}. Of them {'; '.join(facts)}.</p>"
        f'<div class="plots">{_plots(one, report)}</div>{_refused(one)}{_fields(one)}'
    )


def _plots(one: TopicReport, report: AuditReport) -> str:
    ago = range(len(one.days) - 1, -1, -1)
    days = [f"{from_us(report.since_us - day * DAY_US):%a %d %b}" for day in ago]
    hours = [f"{from_us(report.since_us + hour * HOUR_US):%H:%M}" for hour in range(len(one.hours))]
    return (
        "<figure><figcaption>events by day; the same weekday is darker</figcaption>"
        f"{days_plot(one.days, days)}</figure>"
        "<figure><figcaption>events by hour; dashed: last week</figcaption>"
        f"{hours_plot(one.hours, one.hours_last_week, hours)}</figure>"
    )


def _refused(one: TopicReport) -> str:
    rows = "".join(
        f"<tr><td>{escape(r.reason)}</td><td>{escape(r.field)}</td><td>{escape(r.check)}</td>"
        f'<td class="n">{r.now:,}</td><td class="n">{r.last_week:,}</td><td class="n">{r.before:,}</td></tr>'
        for r in one.refused
    )
    head = (
        '<tr><th>refused as</th><th>field</th><th>check</th><th class="n">now</th><th class="n">last week</th>'
        '<th class="n">28 days before</th></tr>'
    )
    return f"<h3>Dead letters</h3><table>{head}{rows}</table>" if rows else ""


def _fields(one: TopicReport) -> str:
    head = (
        '<tr><th>field</th><th class="n">missing</th><th class="n">usual</th><th>missing by day</th>'
        "<th>shapes, values or distribution: now (usual)</th></tr>"
    )
    rows = "".join(map(_field, one.fields))
    return f"<h3>Fields</h3><table>{head}{rows}</table>" if rows else ""


def _field(field: FieldReport) -> str:
    known = field.missing is not None and field.missing_before is not None
    apart = known and abs((field.missing or 0) - (field.missing_before or 0)) >= _TOLD_APART
    kind = "n changed" if apart else "n"
    return (
        f'<tr><td class="w">{escape(field.name)}</td><td class="{kind}">{_percent(field.missing)}</td>'
        f'<td class="n">{_percent(field.missing_before)}</td><td>{share_line(field.missing_days)}</td>'
        f'<td class="texts">{_looks(field)}</td></tr>'
    )


def _looks(field: FieldReport) -> str:
    if field.number is not None:
        return range_plot(field.number) + _range_words(field)
    return "".join(map(_text, field.values or field.shapes))


def _range_words(field: FieldReport) -> str:
    values = field.number
    if values is None or values.now[2] is None:
        return ""
    before = "" if values.before[2] is None else f" (usual {number(values.before[2])})"
    least, greatest = (number(value) if value is not None else "-" for value in (values.least, values.greatest))
    return f"<i>median {number(values.now[2])}{before}, from {least} to {greatest}</i>"


def _text(one: TextReport) -> str:
    changed = abs(one.now - one.before) >= _TOLD_APART or (not one.before and one.now >= FEW)
    kind = ' class="changed"' if changed else ""
    return (
        f"<span><code>{escape(one.text)}</code> <b{kind}>{percent(one.now)}</b> <i>({percent(one.before)})</i></span>"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else percent(share)


def _time(time_us: int) -> str:
    return f"{from_us(time_us):%Y-%m-%d %H:%M} UTC"
