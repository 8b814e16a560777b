"""up, down, status: the processes of one machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, duration, emit, progress, say, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rapport.metrics.summary import StageSummary
    from rapport.settings import Settings
    from rapport.supervisor.state import State

__all__ = ["down", "partitions", "status", "up"]


def up(
    ui: Annotated[bool, typer.Option("--ui", help="Also Feast's, MLflow's and Evidently's own pages.")] = False,
    watch: Annotated[bool, typer.Option(help="Also the drift watch.")] = True,
    workers: Annotated[
        int, typer.Option(help="Processes that share the partitions; default: RAPPORT_WORKERS.", show_default=False)
    ] = 0,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay here until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Start everything on this machine, and return when it works.

    Redis, `feast apply` when the declarations changed, the flows, the decision service and the drift watch; each is
    started again when it dies. What runs already is left alone, and `--ui` adds the pages to it.

    With `--workers`, several processes share the partitions of the bus (RAPPORT_PARTITIONS); the number may differ
    from one `up` to the next.

    Example: rapport up --ui
    """
    from rapport.supervisor import Wanted
    from rapport.supervisor import up as start
    from rapport.supervisor.control import run_here

    settings = settings_now(workers=workers or None)
    wanted = Wanted(watch, ui)
    if foreground:
        shown = _Transitions()
        run_here(settings, wanted, seen=shown)
        return
    with progress("starting") as show:
        state = start(settings, wanted, seen=lambda state: _show_start(state, show))
    if as_json:
        emit(_as_dict(settings, state, lag={}))
    else:
        _print_addresses(state)


def down(as_json: Json = False) -> None:
    """Stop everything in order: pages and service first, then flows, Redis last.

    Example: rapport down
    """
    from rapport.supervisor import down as stop

    settings = settings_now()
    with progress("stopping") as show:
        ran = stop(settings, seen=lambda state: show(*_stopped(state)))
    if as_json:
        emit({"ran": ran})
    else:
        console().print("everything is stopped" if ran else "nothing was running")


def status(as_json: Json = False) -> None:
    """Show each process: health, uptime, restarts, address; what each flow does, and how far it is behind.

    `turned` is the time since a flow's loop last turned; half and 99 % of the events since its start took at most the
    times beside it, from their arrival on the bus until that stage was done with them.

    Exit code 0 when all of it works, 5 when something does not or nothing runs.

    Example: rapport status --json
    """
    import msgspec

    from rapport.metrics.snapshot import read_snapshots, snapshots_folder
    from rapport.metrics.summary import summaries
    from rapport.supervisor import Phase
    from rapport.supervisor import status as look
    from rapport.supervisor.lag import lags

    settings = settings_now()
    state = look(settings)
    if state is None:
        if as_json:
            emit({"phase": "stopped", "services": []})
        else:
            console().print("nothing is running: `rapport up` starts it")
        raise typer.Exit(5)
    lag, stages = lags(settings), summaries(read_snapshots(snapshots_folder(settings)))
    if as_json:
        emit({**_as_dict(settings, state, lag), "stages": msgspec.to_builtins(stages)})
    else:
        _print_status(state, lag, stages)
    if state.phase is not Phase.READY or not all(service.health.value == "ok" for service in state.services):
        raise typer.Exit(5)


def partitions(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="1 to 256.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Change the number of partitions of a bus that has data, while nothing runs.

    Refused while a group of consumers is behind: a customer's events would be taken out of order. Set
    RAPPORT_PARTITIONS to the new number afterwards.

    Example: rapport partitions 4
    """
    from rapport.supervisor.repartition import repartition

    changed = repartition(settings_now(), number)
    if as_json:
        emit({"partitions": changed.partitions})
    else:
        say(f"the bus has {changed.partitions} partitions: set RAPPORT_PARTITIONS={changed.partitions} from now on")


class _Transitions:
    """Prints a line for each change of a process."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[str, str]] = {}
        self._ready = False

    def __call__(self, state: State) -> None:
        for service in state.services:
            now = (service.health.value, service.note if service.health.value != "starting" else "")
            if self._before.get(service.name) != now and now[0] != "waiting":
                say(f"{service.name}: {now[0]}{f' ({now[1]})' if now[1] else ''}")
            self._before[service.name] = now
        if state.phase.value == "ready" and not self._ready:
            self._ready = True
            _print_addresses(state)


def _show_start(state: State, show: Any) -> None:
    ready = sum(service.health.value == "ok" for service in state.services)
    waiting = [service.name for service in state.services if service.health.value in ("starting", "restarting")]
    show(ready, len(state.services), ", ".join(waiting))


def _stopped(state: State) -> tuple[int, int]:
    return sum(service.health.value == "stopped" for service in state.services), len(state.services)


def _print_addresses(state: State) -> None:
    rows = [(service.name, service.address) for service in state.services if service.address.startswith("http")]
    table(("ready", "address"), rows)


def _print_status(state: State, lag: dict[str, int], stages: Sequence[StageSummary]) -> None:
    now_us = time.time_ns() // 1_000
    rows = [
        (
            service.name,
            service.health.value + (f": {service.note}" if service.note else ""),
            str(service.process.pid) if service.process else None,
            duration((now_us - service.started_us) / 1e6) if service.process else None,
            service.restarts,
            service.address or None,
        )
        for service in state.services
    ]
    table(("process", "health", "pid", "uptime", "restarts", "address"), rows)
    if stages:
        shown = [
            (
                f"{stage.process} {stage.stage}",
                duration((now_us - stage.heartbeat_us) / 1e6),
                stage.events,
                _at_most(stage.delay_p50_s),
                _at_most(stage.delay_p99_s),
            )
            for stage in stages
        ]
        table(("stage", "turned", "events", "half within", "99 % within"), shown)
    if lag:
        table(("group", "records behind"), sorted(lag.items()))
    if state.note:
        say(state.note)


def _at_most(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return f"{seconds * 1_000:g} ms" if seconds < 1 else duration(seconds)


def _as_dict(settings: Settings, state: State, lag: dict[str, int]) -> dict[str, Any]:
    now_us = time.time_ns() // 1_000
    return {
        "phase": state.phase.value,
        "note": state.note,
        "data_dir": str(settings.data_dir),
        "supervisor": {"pid": state.supervisor.pid},
        "services": [
            {
                "name": service.name,
                "health": service.health.value,
                "note": service.note,
                "pid": service.process.pid if service.process else None,
                "uptime_s": round((now_us - service.started_us) / 1e6, 1) if service.process else None,
                "restarts": service.restarts,
                "address": service.address,
                "log": service.log,
            }
            for service in state.services
        ],
        "lag": lag,
    }
