"""replay: files of past events, fed as live ones are."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, progress, say, table
from rapport.errors import BusUnavailable

if TYPE_CHECKING:
    from rapport.cli.output import Progress
    from rapport.replay import Mapping, Outcome, ReplayOptions, ReplayReport
    from rapport.settings import Settings

__all__ = ["replay"]


class Clock(StrEnum):
    """What a replay does to the world's clock."""

    keep = "keep"
    freeze = "freeze"
    follow = "follow"


def replay(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="CSV, JSON lines or Parquet; also .gz.")
    ],
    mapping: Annotated[str, typer.Option(help="A mapping that comes with Rapport, or the path of a mapping file.")],
    speed: Annotated[float | None, typer.Option(help="World seconds per second; default: as fast as possible.")] = None,
    since: Annotated[str, typer.Option(help="Only rows from this time on (RFC 3339).", show_default=False)] = "",
    until: Annotated[str, typer.Option(help="Only rows before this time.", show_default=False)] = "",
    clock: Annotated[
        Clock,
        typer.Option(help="The world's clock: keep it, freeze it at the file's end, or let it follow the events."),
    ] = Clock.keep,
    check: Annotated[bool, typer.Option("--check", help="Only say what would become of the rows.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for ingest to have handled all.", min=0)] = 120,
    as_json: Json = False,
) -> None:
    """Feed a file of past events through the same path as live ones, and account for every row.

    Every row is accepted, a dead letter with a reason, or skipped when its mapping says so.

    Example: rapport replay online_retail.csv.gz --mapping online_retail --clock freeze
    """
    from rapport.cli.worldtime import parse_time
    from rapport.clock import to_us
    from rapport.replay import ReplayOptions, TimeWindow, load_mapping

    settings = settings_now()
    window = TimeWindow(to_us(parse_time(since)) if since else None, to_us(parse_time(until)) if until else None)
    options = ReplayOptions(speed=speed, window=window, clock="keep" if check else clock.value)
    chosen = load_mapping(mapping)
    with progress(f"replaying {file.name}") as show:
        report, result = feed(settings, file, chosen, options, show, wait_s=wait, check=check)
    if as_json:
        emit({**result.as_dict(), "origin": report.origin, "seconds": round(report.seconds, 3)})
    else:
        _print(report, result)
    if result.pending:
        raise BusUnavailable(
            f"{result.pending:,} events are not ingested after {wait:g} s: do the flows run? `rapport status`"
        )


def feed(
    settings: Settings,
    file: Path,
    mapping: Mapping,
    options: ReplayOptions,
    show: Progress,
    *,
    wait_s: float,
    check: bool = False,
) -> tuple[ReplayReport, Outcome]:
    """Replay a file onto the installation's bus (`check`: onto none) and wait until ingest has handled it.

    Raises:
        MappingError: file and mapping do not fit.
        BusUnavailable
    """
    from rapport.bus import open_bus
    from rapport.cli.worldtime import publish_clock
    from rapport.replay import CheckingBus, outcome
    from rapport.replay import replay as run

    bus = CheckingBus() if check else open_bus(settings)
    report = run(
        bus,
        file,
        mapping,
        options,
        set_clock=lambda clock: publish_clock(settings, clock),
        progress=lambda p: show(p.done, p.total, f"{p.rate:,.0f}/s"),
    )
    return report, outcome(bus, report, timeout_s=wait_s)


def _print(report: ReplayReport, result: Outcome) -> None:
    rows = [("given", result.given), ("accepted", result.accepted)]
    rows += [(f"dead letters: {reason}", count) for reason, count in sorted(result.dead_letters.items())]
    rows += [(name, count) for name, count in (("skipped", result.skipped), ("pending", result.pending)) if count]
    table(("rows", "count"), rows)
    console().print(f"{report.seconds:.1f} s, {report.given / max(report.seconds, 1e-9):,.0f} rows/s")
    if report.replayed_before:
        say(f"{report.replayed_before:,} events of this file had been replayed before")
