"""audit: whether what came in is like what came in before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, progress, say, table

if TYPE_CHECKING:
    from rapport.audit import AuditReport, Finding

__all__ = ["EXIT_ALARM", "audit"]

EXIT_ALARM = 9
Topics = Annotated[
    list[str] | None, typer.Argument(metavar="[TOPIC]...", help="Default: all that have events.", show_default=False)
]


def audit(
    topics: Topics = None,
    at: Annotated[
        str, typer.Option(help="End of the window (RFC 3339); default: now, by the world's clock.", show_default=False)
    ] = "",
    window: Annotated[str, typer.Option(help="Length of the window, whole hours of arrival: 1h to 24h.")] = "24h",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the reports; default: reports/audit.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Audit what came in: missing fields, formats, duplicates, lateness, volume, ranges; each against its own history.

    Keeps a page and a JSON file; docs/audits.md says what is looked at. Ends with code 9 when there are alarms.

    Example: rapport audit purchase_events --at 2026-03-01T00:00:00Z
    """
    from rapport.audit.run import Question
    from rapport.audit.run import audit as make
    from rapport.cli.worldtime import clock_or_system, parse_span, parse_time
    from rapport.clock import to_us

    settings = settings_now()
    chosen = tuple(dict.fromkeys(topics or ()))
    question = Question(chosen, to_us(parse_time(at)) if at else None, parse_span("--window", window))
    with progress("auditing") as show:
        made = make(settings, question, clock_or_system(settings), folder=out, show=show)
    if as_json:
        import msgspec

        emit({**msgspec.to_builtins(made.report), "page": str(made.page), "json": str(made.json)})
    else:
        print_report(made.report)
        say(f"as a page: {made.page}")
    if made.report.count("alarm"):
        raise typer.Exit(EXIT_ALARM)


def print_report(report: AuditReport) -> None:
    """The report for people: what changed, and what is no more."""
    from rapport.clock import from_us

    span = f"{from_us(report.since_us):%Y-%m-%d %H:%M} to {from_us(report.until_us):%Y-%m-%d %H:%M} UTC"
    rows = [(one.topic, one.rows, one.last_week, one.known_days, one.learning) for one in report.topics]
    table(("topic", "events", "last week", "days known", ""), rows, title=f"what arrived from {span}")
    shown = console()
    for note in report.notes:
        shown.print(note, markup=False, soft_wrap=True)
    for finding in (*report.findings, *report.resolved):
        shown.print(_line(finding), markup=False, soft_wrap=True)
    if not report.findings:
        shown.print("nothing has changed beyond what history has taught", markup=False, soft_wrap=True)


def _line(one: Finding) -> str:
    from rapport.clock import from_us

    since = "" if one.status == "new" else f" (since {from_us(one.since_us):%Y-%m-%d %H:%M})"
    kind = "resolved" if one.status == "resolved" else f"{one.severity}, {one.status}"
    return f"{kind}: {one.topic}: {one.text}{since}. {one.advice}"
