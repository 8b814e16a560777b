"""drift, watch: how far the world has moved from what the champions were trained on, and what follows from it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import emit, progress, table

if TYPE_CHECKING:
    from monitoring.summary import Summary
    from monitoring.watch import Outcome
    from rapport.settings import Settings

__all__ = ["drift", "watch"]


def drift(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Default: every model with a champion.")] = "",
    since: Annotated[str, typer.Option(help="Only decisions from this time on (RFC 3339).", show_default=False)] = "",
    until: Annotated[str, typer.Option(help="Only decisions before this time.", show_default=False)] = "",
    as_json: Json = False,
) -> None:
    """Compare the decision log with the champions' training references, and keep the reports.

    Example: rapport drift purchase_propensity --since 2026-01-01
    """
    from monitoring.child import drift as report
    from rapport.cli.worldtime import parse_time
    from rapport.clock import to_us

    settings = settings_now()
    since_us = to_us(parse_time(since)) if since else None
    until_us = to_us(parse_time(until)) if until else None
    with progress("comparing decisions with the training references") as show:
        show(0)
        summaries = report(settings, model or None, since_us, until_us)
    if as_json:
        emit([as_dict(summary) for summary in summaries])
    else:
        for summary in summaries:
            print_summary(summary)


def watch() -> None:
    """Report on drift on a schedule, retrain what has drifted, and promote what passes the gate. Runs until Ctrl-C.

    `rapport up` runs it; the schedule and the limits are settings (RAPPORT_DRIFT_…).

    Example: RAPPORT_DRIFT_EVERY_S=60 rapport watch
    """
    from monitoring.watch import Watch, stop_on_signals

    settings = settings_now()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("monitoring").setLevel(logging.INFO)
    with stop_on_signals() as stop:
        Watch(settings, lambda model: retrain(settings, model)).run(stop)


def print_summary(summary: Summary) -> None:
    """One report, for people: the columns that moved most first."""
    from rapport.clock import from_us

    columns = sorted(summary.columns, key=lambda column: -column.psi)
    shown = [*([summary.score] if summary.score else []), *columns[:12]]
    rows = [
        (c.name, "drifted" if c.drifted else "", c.psi, c.mean_reference, c.mean_current, c.missing_current)
        for c in shown
    ]
    title = (
        f"{summary.model} version {summary.version}: {len(summary.drifted)} of {len(summary.columns)} features drifted "
        f"({summary.share:.0%}) in {summary.rows:,} decisions up to {from_us(summary.until_us):%Y-%m-%d %H:%M}"
    )
    table(("column", "", "PSI", "mean then", "mean now", "missing now"), rows, title=title)


def as_dict(summary: Summary) -> dict[str, Any]:
    import msgspec

    return {**msgspec.to_builtins(summary), "share": summary.share, "drifted": list(summary.drifted)}


def retrain(settings: Settings, model: str) -> Outcome:
    """Train a candidate of one model as of the world's present, and put it to the gate."""
    from monitoring.watch import Outcome
    from rapport.cli.models import as_of_world
    from training import TrainConfig, promote, train

    report = train(settings, as_of_world(settings), config=TrainConfig(models=(model,)))
    result = promote(settings, model, report.candidates[0].version)
    return Outcome("promoted" if result.promoted else "refused", result.version, result.reason)
