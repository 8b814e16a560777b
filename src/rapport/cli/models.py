"""train, promote, rollback, models: candidates, the gate, and what serves."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, progress, say, table

if TYPE_CHECKING:
    from rapport.settings import Settings
    from training import GateResult

__all__ = ["export_models", "models", "promote", "rollback", "train"]

Name = Annotated[str, typer.Argument(metavar="MODEL", help="purchase_propensity, escalation_risk or segments.")]
REFUSED = 4
_ON_THE_WAY_S = 2.0


def train(
    only: Annotated[list[str] | None, typer.Option("--model", help="Only this model; may be repeated.")] = None,
    as_of: Annotated[
        str, typer.Option(help="Nothing after this time is seen (RFC 3339); default: now.", show_default=False)
    ] = "",
    rows: Annotated[int, typer.Option(help="Decision times per model, at most.", min=200)] = 20_000,
    then_promote: Annotated[bool, typer.Option("--promote", help="Put each candidate to the gate at once.")] = False,
    as_json: Json = False,
) -> None:
    """Train candidates from the event archive and register them; what serves does not change.

    With `--promote`, a candidate that is better than its champion serves at once; one that the gate refuses is no
    failure of the command.

    Example: rapport train --model purchase_propensity
    """
    from training import TrainConfig
    from training import promote as gate
    from training import train as run

    settings = settings_now()
    as_of_us = _as_of_us(settings, as_of)
    config = TrainConfig(models=tuple(only or ()), rows=rows)
    with progress("training") as show:
        report = run(
            settings, as_of_us, config=config, progress=lambda share, what: show(round(share * 100), 100, what)
        )
        results = [gate(settings, one.name, one.version) for one in report] if then_promote else []
    if as_json:
        candidates = [dataclasses.asdict(one) for one in report]
        gates = [dataclasses.asdict(result) for result in results]
        emit({"candidates": candidates, "skipped": report.skipped, "gates": gates})
        return
    for one in report:
        shown = "  ".join(f"{name} {value:.4g}" for name, value in sorted(one.metrics.items())[:6])
        console().print(f"{one.name} version {one.version}: {shown}", markup=False)
    for name, why in report.skipped.items():
        say(f"{name} was not trained: {why}")
    for result in results:
        _print_gate(result)
    if not then_promote:
        console().print("`rapport promote MODEL` puts a candidate to the gate", markup=False)


def promote(
    model: Name,
    version: Annotated[str, typer.Option(help="Default: the newest.", show_default=False)] = "",
    force: Annotated[
        str,
        typer.Option(metavar="REASON", help="Serve it whatever the gate says; the reason is kept.", show_default=False),
    ] = "",
    as_json: Json = False,
) -> None:
    """Compare a candidate with the champion on later data; if it is better, it serves.

    Exit code 4 when the gate refuses it.

    Example: rapport promote purchase_propensity
    """
    from training import promote as run

    settings = settings_now()
    with progress(f"comparing {model} with its champion") as show:
        show(0)
        result = run(settings, model, version or None, force=force or None)
    if as_json:
        emit(dataclasses.asdict(result))
    else:
        _print_gate(result)
    if not result.promoted and result.champion != result.version:
        raise typer.Exit(REFUSED)


def rollback(
    model: Name,
    reason: Annotated[str, typer.Option(help="Kept in the audit trail.", show_default=False)] = "",
    as_json: Json = False,
) -> None:
    """Let the version that served before serve again; a second rollback undoes the first.

    Example: rapport rollback escalation_risk --reason "complaints since noon"
    """
    from training import rollback as run

    result = run(settings_now(), model, reason=reason)
    if as_json:
        emit(dataclasses.asdict(result))
    else:
        console().print(f"{result.name} version {result.version} serves again, in place of {result.replaced}")


def export_models(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made when it is not there.")],
    only: Annotated[list[str] | None, typer.Option("--model", help="Only this model; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Write the champions as MLServer (Seldon, KServe) loads them: `mlserver start FOLDER`.

    Those that are XGBoost models; the segments are none.

    Example: rapport export-models /srv/models
    """
    from rapport.decisions.scoring import MODELS
    from rapport.inference.mlserver import export_for_mlserver

    written = export_for_mlserver(settings_now().data_dir / "models", folder, only or MODELS)
    if as_json:
        emit(written)
        return
    for name, version in written.items():
        console().print(f"{name} version {version} is in {folder / name}", markup=False, soft_wrap=True)


def models(
    audit: Annotated[
        bool, typer.Option("--audit", help="Instead: what was promoted, refused and rolled back.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the registered versions, which of them serves, and their metrics.

    Example: rapport models --audit
    """
    settings = settings_now()
    if audit:
        _audit(settings, as_json)
        return
    from training import list_models

    listings = list_models(settings)
    if as_json:
        emit([dataclasses.asdict(listing) for listing in listings])
        return
    rows = [
        (listing.name, one.version, _role(listing, one.version), _when(one.created_us), _metric(one.metrics))
        for listing in listings
        for one in listing.versions
    ]
    table(("model", "version", "serves", "registered (UTC)", "metrics"), rows)


def as_of_world(settings: Settings) -> int:
    """The world's time up to which events are in the archive by now; by the system's clock when nothing runs.

    A label that looked past it would take events that are only on their way for events that did not happen. That
    matters most where the world runs fast: seconds of the machine are then hours of the world.
    """
    from rapport.cli.worldtime import world_clock
    from rapport.clock import SystemClock, WorldClock
    from rapport.errors import ServiceError, StoreError

    archived_us = SystemClock().now_us() - round((2 * settings.archive_every_s + _ON_THE_WAY_S) * 1e6)
    try:
        clock = world_clock(settings)
    except (ServiceError, StoreError):
        return archived_us
    return clock.at(archived_us) if isinstance(clock, WorldClock) else archived_us


def _print_gate(result: GateResult) -> None:
    verb = "serves now" if result.promoted else "does not serve"
    console().print(f"{result.name} version {result.version} {verb}: {result.reason}", markup=False, soft_wrap=True)


def _as_of_us(settings: Settings, text: str) -> int:
    from rapport.cli.worldtime import parse_time
    from rapport.clock import to_us

    return to_us(parse_time(text)) if text else as_of_world(settings)


def _audit(settings: Settings, as_json: bool) -> None:
    import msgspec

    from training import read_audit

    entries = read_audit(settings.data_dir / "models")
    if as_json:
        emit([msgspec.to_builtins(entry) for entry in entries])
        return
    rows = [(_when(e.time_us), e.name, e.version, e.action, e.user, e.reason) for e in entries]
    table(("time (UTC)", "model", "version", "what", "by", "why"), rows)


def _role(listing: Any, version: str) -> str:
    return "champion" if version == listing.champion else "previous" if version == listing.previous else ""


def _when(time_us: int) -> str:
    from rapport.clock import from_us

    return f"{from_us(time_us):%Y-%m-%d %H:%M:%S}"


def _metric(metrics: dict[str, float]) -> str:
    chosen = [name for name in ("auc", "log_loss", "baseline_auc") if name in metrics] or sorted(metrics)[:3]
    return "  ".join(f"{name} {metrics[name]:.4g}" for name in chosen)
