"""archive: what is kept of events and decisions, read as it is or as it was, and looked after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, say, table
from rapport.errors import SettingsError

if TYPE_CHECKING:
    from datetime import datetime

    from rapport.archive import Archive
    from rapport.archive.retention import Retained, TooShort
    from rapport.settings import Settings

__all__ = ["EXIT_UNSOUND", "archive"]

EXIT_UNSOUND = 8

archive = typer.Typer(name="archive", no_args_is_help=True, rich_markup_mode=None)

Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="customer_clicks, decisions, …", show_default=False)]
Topics = Annotated[
    list[str] | None, typer.Argument(metavar="[TOPIC]...", help="Only these topics; default: all.", show_default=False)
]
AsOf = Annotated[
    str, typer.Option(help="A version's number, or a time (RFC 3339): the last version by then.", show_default=False)
]


@archive.callback()
def _group() -> None:
    """What is kept of events and decisions: read it as it is or was, check it, join its files, let go of what is old.

    Example: rapport archive verify
    """


@archive.command()
def files(topic: Topic, as_of: AsOf = "", as_json: Json = False) -> None:
    """List the Parquet files that count, one path a line: for Spark, DuckDB, Polars and whatever reads Parquet.

    Read them soon: joined or erased ones go.

    Example: rapport archive files purchase_events
    """
    with _archive().snapshot(topic, _moment(as_of)) as snapshot:
        paths = [str(path) for path in snapshot.files]
        if as_json:
            emit({"topic": topic, "version": snapshot.version, "files": paths})
        else:
            typer.echo("\n".join(paths), nl=bool(paths))


@archive.command()
def versions(topic: Topic, as_json: Json = False) -> None:
    """List the versions of a topic that can still be read.

    Example: rapport archive versions feedback
    """
    found = _archive().versions(topic)
    shown = [(one.number, one.time.isoformat(timespec="milliseconds"), one.operation) for one in found]
    if as_json:
        emit([dict(zip(("version", "time", "operation"), row, strict=True)) for row in shown])
    else:
        table(("version", "time", "by"), shown)


@archive.command()
def read(
    topic: Topic,
    to: Annotated[Path, typer.Option(help="The Parquet file to write.", show_default=False)],
    as_of: AsOf = "",
    since: Annotated[str, typer.Option(help="Only events from this time on (RFC 3339).", show_default=False)] = "",
    until: Annotated[str, typer.Option(help="Only events before this time.", show_default=False)] = "",
    as_json: Json = False,
) -> None:
    """Write a topic's rows, as they are or as they were, to one Parquet file; a file that is there is replaced.

    Example: rapport archive read feedback --as-of 2026-01-31T12:00:00Z --to feedback.parquet
    """
    from rapport.archive.export import export
    from rapport.cli.worldtime import parse_time
    from rapport.clock import to_us

    since_us, until_us = (to_us(parse_time(text)) if text else None for text in (since, until))
    version, rows = export(_archive(), topic, to, since_us, until_us, as_of=_moment(as_of))
    if as_json:
        emit({"topic": topic, "version": version, "rows": rows, "file": str(to)})
    else:
        console().print(f"{rows:,} rows of version {version} in {to}")


@archive.command()
def compact(topics: Topics = None, as_json: Json = False) -> None:
    """Join small files, and drop what only old versions need. The flows go on; `rapport up` does it once a day.

    Example: rapport archive compact
    """
    settings, done = settings_now(), {}
    opened = _archive(settings)
    for topic in _chosen(opened, topics):
        before = len(opened.table(topic).files())
        opened.compact(topic, keep_days=settings.archive_versions_days)
        done[topic] = (before, len(opened.table(topic).files()))
    if as_json:
        emit({topic: {"before": before, "after": after} for topic, (before, after) in done.items()})
    else:
        table(("topic", "files", "now"), [(topic, *counts) for topic, counts in done.items()])


@archive.command()
def migrate(topics: Topics = None, as_json: Json = False) -> None:
    """Give tables of an older version their months. One commit a topic; killed, it has done nothing, or all of it.

    Example: rapport archive migrate
    """
    from rapport.archive.repeats import migrate as give_months

    opened = _archive()
    done = {topic: give_months(opened, topic) for topic in _chosen(opened, topics)}
    if as_json:
        emit(done)
    else:
        table(("topic", "moved"), list(done.items()))


@archive.command()
def verify(topics: Topics = None, as_json: Json = False) -> None:
    """Check files, columns, nulls, events that are there twice, and places on the bus that are missing.

    Repeats are events that were sent again after more than ten minutes; conflicts are other events under a used id.

    Example: rapport archive verify purchase_events
    """
    from rapport.archive.verify import verify as check

    opened = _archive()
    found = [check(opened, topic) for topic in _chosen(opened, topics)]
    if as_json:
        emit([verdict.as_dict() for verdict in found])
    else:
        columns = ("topic", "rows", "files", "removed", "repeats", "conflicts", "missing")
        table((*columns, "problems"), [(*(getattr(v, name) for name in columns), len(v.problems)) for v in found])
        nulls = [(v.topic, name, f"{share:.1%}") for v in found for name, share in v.nulls.items()]
        if nulls:
            table(("topic", "column", "without a value"), nulls)
        for verdict in found:
            for problem in verdict.problems:
                say(f"{verdict.topic}: {problem}")
    if any(verdict.problems for verdict in found):
        raise typer.Exit(EXIT_UNSOUND)


@archive.command()
def dedupe(topics: Topics = None, as_json: Json = False) -> None:
    """Take repeats out: rows that differ from an earlier one of their id in nothing but when they arrived.

    History and rebuilds count each event once from then on; rows of the online store keep what they have counted.

    Example: rapport archive dedupe purchase_events
    """
    from rapport.archive.repeats import dedupe as take_out

    opened = _archive()
    done = {topic: take_out(opened, topic) for topic in _chosen(opened, topics)}
    if as_json:
        emit(done)
    else:
        table(("topic", "repeats taken out"), list(done.items()))


@archive.command()
def retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Even where a view's windows are longer.")] = False,
    as_json: Json = False,
) -> None:
    """Remove what is older than RAPPORT_RETENTION says. `rapport up` does it once a day.

    A topic is left alone while a view over it has a longer window than it would be kept.

    Example: rapport archive retain --dry-run
    """
    from rapport.archive.retention import parse_retention
    from rapport.archive.retention import retain as let_go

    settings = settings_now()
    kept = parse_retention(settings.retention)
    if not kept:
        say("RAPPORT_RETENTION names no topic: everything is kept")
    short = _too_short(settings, kept)
    refused = {one.topic for one in short if one.window_days is not None and not force}
    allowed = {topic: days for topic, days in kept.items() if topic not in refused}
    done = let_go(_archive(settings), allowed, _now_us(settings), dry_run=dry_run) if allowed else []
    _show_retained(done, short, dry_run, as_json)
    if refused:
        raise SettingsError(
            f"nothing was removed of {', '.join(sorted(refused))}: views look further back (above). Raise their days "
            "in RAPPORT_RETENTION, shorten the windows, or use --force"
        )


def _show_retained(done: list[Retained], short: list[TooShort], dry_run: bool, as_json: bool) -> None:
    from rapport.clock import from_us

    rows = [(one.topic, one.days, from_us(one.before_us).isoformat(timespec="seconds"), one.rows) for one in done]
    if as_json:
        names = ("topic", "days", "before", "rows")
        views = [{"view": s.view, "topic": s.topic, "days": s.days, "looks_back_days": s.window_days} for s in short]
        emit({"removed": not dry_run, "topics": [dict(zip(names, r, strict=True)) for r in rows], "too_short": views})
        return
    if rows:
        table(("topic", "days kept", "before", "rows to remove" if dry_run else "rows removed"), rows)
    for one in short:
        back = "sees all events" if one.window_days is None else f"looks back {one.window_days:g} days"
        say(
            f"view {one.view} over {one.topic} {back}, {one.days} are kept: its history and a rebuild would lack events"
        )


def _too_short(settings: Settings, kept: dict[str, int]) -> list[TooShort]:
    from rapport.archive.retention import too_short

    if not kept:
        return []
    from rapport.feast.catalog import open_store, plans_by_topic

    return too_short(kept, plans_by_topic(open_store(settings)))


def _now_us(settings: Settings) -> int:
    """The world's time, but not later than the system's: a clock that was set ahead by mistake removes nothing."""
    from rapport.cli.worldtime import world_clock
    from rapport.clock import SystemClock

    return min(world_clock(settings).now_us(), SystemClock().now_us())


def _archive(settings: Settings | None = None) -> Archive:
    from rapport.archive import Archive

    return Archive((settings or settings_now()).data_dir / "archive")


def _chosen(opened: Archive, topics: list[str] | None) -> list[str]:
    for topic in topics or ():
        opened.table(topic)  # refuses an unknown one
    return topics or opened.topics()


def _moment(text: str) -> int | datetime | None:
    from rapport.cli.worldtime import parse_time

    if text.isascii() and text.isdigit():
        return int(text)
    return parse_time(text) if text else None
