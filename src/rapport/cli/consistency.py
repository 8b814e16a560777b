"""consistency: whether what decisions were made from is what the archive says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, progress, say, table
from rapport.errors import SettingsError

if TYPE_CHECKING:
    from rapport.clock import Clock
    from rapport.consistency import ConsistencyReport, Range
    from rapport.settings import Settings

__all__ = ["EXIT_UNEXPLAINED", "consistency"]

EXIT_UNEXPLAINED = 6


def consistency(
    since: Annotated[str, typer.Option(help="Only decisions from this time on (RFC 3339).", show_default=False)] = "",
    until: Annotated[str, typer.Option(help="Only decisions before this time.", show_default=False)] = "",
    last: Annotated[str, typer.Option(help="Only the last 30m, 12h, 7d, … before now.", show_default=False)] = "",
    sample: Annotated[int, typer.Option(help="Only so many decisions, drawn evenly; 0: all.", min=0)] = 0,
    model: Annotated[str, typer.Option(help="Only decisions that this model scored.", show_default=False)] = "",
    view: Annotated[list[str] | None, typer.Option(help="Only this view; may be repeated.", show_default=False)] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(help="Only this feature, as rfm__frequency; may be repeated.", show_default=False),
    ] = None,
    in_flight_ms: Annotated[
        float, typer.Option(help="Longest time from an event's arrival to its being readable, milliseconds.", min=0)
    ] = 2_000,
    page: Annotated[
        Path | None, typer.Option(help="Where to write the page; default: among the reports.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute the features of logged decisions again from the archive, and say what differs and why.

    Ends with code 6 when a difference has no explanation; docs/consistency.md says what the reasons mean.

    Example: rapport consistency --last 24h --sample 20000
    """
    from rapport.cli.worldtime import clock_or_system
    from rapport.consistency.page import write_page
    from rapport.consistency.replay import Question, replay_decisions

    settings = settings_now()
    clock = clock_or_system(settings)
    chosen = _range(settings, clock, since, until, last, sample)
    question = Question(chosen, model, tuple(view or ()), tuple(feature or ()), in_flight_ms)
    with progress("replaying decisions") as show:
        report = replay_decisions(settings, question, show)
    path = write_page(report, page or _page_path(settings))
    if as_json:
        emit({**as_dict(report), "page": str(path)})
    else:
        print_report(report)
        say(f"as a page: {path}")
    if report.unexplained:
        raise typer.Exit(EXIT_UNEXPLAINED)


def as_dict(report: ConsistencyReport) -> dict[str, Any]:
    """The report for machines: without the sample of differences, with what follows from its figures."""
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(report)
    del found["differences"]
    return {**found, "reasons": report.reasons, "unexplained": report.unexplained}


def print_report(report: ConsistencyReport) -> None:
    """The report for people: the features with differences first."""
    rows = [
        (
            one.name,
            one.matches,
            one.mismatches,
            one.missing,
            one.largest_difference,
            ", ".join(f"{reason} {n:,}" for reason, n in one.reasons.items()),
        )
        for one in sorted(report.features, key=lambda one: (-one.unexplained, one.matches - one.compared, one.name))
    ]
    title = f"{report.compared:,} of {report.decisions:,} decisions compared"
    table(("feature", "matches", "mismatches", "missing", "largest difference", "why"), rows, title=title)
    from rapport.consistency.words import notes

    shown = console()
    for text in notes(report):
        shown.print(text, markup=False, soft_wrap=True)


def _range(settings: Settings, clock: Clock, since: str, until: str, last: str, sample: int) -> Range:
    """The decisions that are asked for, as far as the archive is complete."""
    from rapport.cli.worldtime import parse_span, parse_time
    from rapport.clock import from_us, to_us
    from rapport.consistency import Range
    from rapport.consistency.settled import settled_until_us

    if last and (since or until):
        raise SettingsError(f"--last {last} and --since or --until say the same: give one of them")
    settled_us = settled_until_us(settings, clock)
    if settled_us is None:
        say("the bus does not answer, so the archive is taken to hold everything that there was")
    since_us = to_us(parse_time(since)) if since else clock.now_us() - parse_span("--last", last) if last else None
    until_us = to_us(parse_time(until)) if until else None
    if settled_us is not None and (until_us is None or until_us > settled_us):
        if until_us is not None:
            say(f"events are on their way to the archive: decisions are compared up to {from_us(settled_us)}")
        until_us = settled_us
    return Range(since_us, until_us, sample or None)


def _page_path(settings: Settings) -> Path:
    from rapport.clock import SystemClock, from_us

    now = from_us(SystemClock().now_us())
    return settings.data_dir / "reports" / "consistency" / f"{now:%Y-%m-%dT%H-%M-%SZ}.html"
