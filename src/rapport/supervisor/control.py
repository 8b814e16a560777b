"""Starting, stopping and looking at the supervisor from another process."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rapport.access import require_safe
from rapport.embedded import EmbeddedRedis
from rapport.errors import ServiceError
from rapport.metrics.snapshot import clear_snapshots, snapshots_folder
from rapport.processes import is_alive, kill_all, marked, terminate
from rapport.settings import Settings
from rapport.supervisor.declarations import apply_declarations
from rapport.supervisor.installation import installation, workers_of
from rapport.supervisor.logs import open_log, tail
from rapport.supervisor.service import Service
from rapport.supervisor.state import Health, Paths, Phase, State, Wanted, read_state, read_wanted, write_state
from rapport.supervisor.supervisor import Supervisor, stopped_by_signals

__all__ = ["down", "run_here", "status", "up"]

Seen = Callable[[State], None]

_UP_TIMEOUT_S = 600.0
_DOWN_TIMEOUT_S = 120.0
_POLL_S = 0.05
_ORPHAN_GRACE_S = 15.0


def status(settings: Settings) -> State | None:
    """How the installation is; None when nothing of it runs. A dead supervisor's processes are shown as they are."""
    state = read_state(Paths(settings).state)
    if state is None:
        return None
    if not is_alive(state.supervisor):
        if not any(is_alive(service.process) for service in state.services):
            return None
        state.phase, state.note = (
            Phase.FAILED,
            "the supervisor is gone: `rapport up` starts it anew, `rapport down` ends the rest",
        )
        for service in state.services:
            if not is_alive(service.process):
                service.process, service.health = None, Health.STOPPED
    return state


def up(settings: Settings, wanted: Wanted | None = None, *, seen: Seen = lambda state: None) -> State:
    """Start the installation in the background and return when all of it works.

    What runs already is left alone; what is wanted besides is added to it.

    Args:
        seen: called with each new state while waiting.

    Raises:
        SettingsError: the settings are not safe.
        ServiceError: something does not come up (if nothing ran before, everything is stopped then), or what runs has
            another number of workers.
    """
    require_safe(settings)
    wanted = wanted or Wanted()
    paths = Paths(settings)
    running = status(settings)
    if running and is_alive(running.supervisor):
        _check_workers(settings, running)
        wanted |= read_wanted(paths.wanted)
        write_state(paths.wanted, wanted)
        return _wait_ready(settings, wanted, running, seen)
    _end_orphans(settings)
    paths.state.unlink(missing_ok=True)
    write_state(paths.wanted, wanted)
    with open_log(paths.log("supervisor")) as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rapport.supervisor"],
            env={**os.environ, **as_environment(settings)},
            cwd=settings.root,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return _wait_ready(settings, wanted, None, seen, process)


def run_here(settings: Settings, wanted: Wanted, *, seen: Seen = lambda state: None) -> None:
    """Be the supervisor, in this process, until a signal says stop.

    Raises:
        SettingsError: the settings are not safe.
        ServiceError: something does not come up; everything is stopped then.
    """
    require_safe(settings)
    running = status(settings)
    if running and is_alive(running.supervisor):
        raise ServiceError(f"Rapport already runs in {settings.data_dir} (process {running.supervisor.pid})")
    _end_orphans(settings)
    paths = Paths(settings)
    clear_snapshots(snapshots_folder(settings))
    write_state(paths.wanted, wanted)
    os.environ.update(as_environment(settings))
    supervisor = Supervisor(
        installation(settings, wanted),
        paths,
        settings.host,
        prepare=lambda: _apply(settings),
        more=_Additions(settings, paths.wanted),
    )
    with stopped_by_signals(supervisor):
        supervisor.run(seen)


class _Additions:
    """Reads what is wanted when the file has changed."""

    def __init__(self, settings: Settings, path: Path) -> None:
        self._settings = settings
        self._path = path
        self._read_ns = 0

    def __call__(self) -> list[Service]:
        changed_ns = self._path.stat().st_mtime_ns if self._path.exists() else 0
        if changed_ns == self._read_ns:
            return []
        self._read_ns = changed_ns
        return installation(self._settings, read_wanted(self._path))


def down(settings: Settings, *, seen: Seen = lambda state: None) -> bool:
    """Stop everything in order; returns whether anything ran.

    Raises:
        ServiceError: something does not end.
    """
    state = status(settings)
    if state is None:
        return _end_orphans(settings)
    if is_alive(state.supervisor):
        terminate(state.supervisor, 0)
        deadline = time.monotonic() + _DOWN_TIMEOUT_S
        while is_alive(state.supervisor):
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"the supervisor (process {state.supervisor.pid}) does not end: see {Paths(settings).logs}"
                )
            if present := read_state(Paths(settings).state):
                seen(present)
            time.sleep(_POLL_S)
    _end_orphans(settings)
    return True


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as the variables that give them again: what children inherit."""
    return {f"RAPPORT_{name.upper()}": str(value) for name, value in dataclasses.asdict(settings).items()}


def _apply(settings: Settings) -> None:
    if apply_declarations(settings):
        logging.getLogger(__name__).info("feast apply done")


def _check_workers(settings: Settings, running: State) -> None:
    """Workers know of each other by their number alone, so all of them start and stop together."""
    found = workers_of(service.name for service in running.services)
    if found != settings.workers:
        raise ServiceError(
            f"Rapport runs with {found} worker{'s' * (found > 1)}, not {settings.workers}: `rapport down`, then "
            f"`rapport up --workers {settings.workers}`; or leave RAPPORT_WORKERS as it was"
        )


def _wait_ready(
    settings: Settings, wanted: Wanted, state: State | None, seen: Seen, process: subprocess.Popen[bytes] | None = None
) -> State:
    paths = Paths(settings)
    names = [service.name for service in installation(settings, wanted)]
    deadline = time.monotonic() + _UP_TIMEOUT_S
    while time.monotonic() < deadline:
        state = read_state(paths.state) or state
        if state:
            seen(state)
        if state and state.phase is Phase.READY and is_alive(state.supervisor) and _all_work(state, names):
            if process is not None:
                process.returncode = 0  # it outlives this process, on purpose
            return state
        ended = process.poll() is not None if process else not (state and is_alive(state.supervisor))
        if ended:
            raise ServiceError(_why(read_state(paths.state), paths))
        time.sleep(_POLL_S)
    raise ServiceError(f"Rapport is not up after {_UP_TIMEOUT_S:g} s: `rapport status` shows what is missing")


def _all_work(state: State, names: Sequence[str]) -> bool:
    """Whether all that is wanted works.

    Raises:
        ServiceError: one of them has been given up, or its port is taken.
    """
    found = [state.of(name) for name in names]
    for service in found:
        if service and service.health is Health.GIVEN_UP:
            end = "\n".join(f"  | {line}" for line in tail(Path(service.log), 5))
            raise ServiceError(f"{service.name} {service.note}. Its log, {service.log}, ends:\n{end}")
    if state.note and not all(found):
        raise ServiceError(state.note)
    return all(service is not None and service.health is Health.OK for service in found)


def _why(state: State | None, paths: Paths) -> str:
    if state and state.note:
        return state.note
    return "the supervisor ended: " + " | ".join(tail(paths.log("supervisor"), 5))


def _end_orphans(settings: Settings) -> bool:
    """End the processes that a supervisor left when it was killed, Redis last; returns whether there were any."""
    paths = Paths(settings)
    state = read_state(paths.state)
    found = False
    for service in reversed(state.services if state else []):
        if service.name == "redis":
            continue
        if service.process is not None and is_alive(service.process):
            found = True
            terminate(service.process, _ORPHAN_GRACE_S)
        left = marked(paths.mark(service.name))
        found = found or bool(left)
        kill_all(left)
    server = EmbeddedRedis(settings.data_dir / "redis")
    if server.running():
        found = True
        server.stop()
    return found
