"""What the supervisor writes down for others to read: `run/state.json`, replaced as a whole, and the lock beside it."""

from __future__ import annotations

import fcntl
import os
from enum import Enum
from pathlib import Path
from typing import BinaryIO

import msgspec

from rapport.processes import ProcessId
from rapport.settings import Settings

__all__ = [
    "Health",
    "Paths",
    "Phase",
    "ServiceState",
    "State",
    "Wanted",
    "read_state",
    "read_wanted",
    "take_lock",
    "write_state",
]


class Phase(Enum):
    """Of the installation as a whole."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Health(Enum):
    """Of one process."""

    WAITING = "waiting"
    STARTING = "starting"
    OK = "ok"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    GIVEN_UP = "given up"
    STOPPED = "stopped"


class ServiceState(msgspec.Struct):
    """One process; `note` says what is wrong with it."""

    name: str
    process: ProcessId | None = None
    started_us: int = 0
    restarts: int = 0
    health: Health = Health.WAITING
    note: str = ""
    address: str = ""
    log: str = ""


class State(msgspec.Struct):
    """The installation; `services` in the order in which they start."""

    phase: Phase
    supervisor: ProcessId
    started_us: int
    services: list[ServiceState]
    note: str = ""

    def of(self, name: str) -> ServiceState | None:
        return next((service for service in self.services if service.name == name), None)


class Wanted(msgspec.Struct, frozen=True):
    """What is to run besides Redis, flows and service. Written by `up`, read by the supervisor."""

    watch: bool = True
    ui: bool = False

    def __or__(self, other: Wanted) -> Wanted:
        return Wanted(self.watch or other.watch, self.ui or other.ui)


class Paths:
    """Where the supervisor keeps things in the data folder."""

    def __init__(self, settings: Settings) -> None:
        self.run = settings.data_dir / "run"
        self.logs = settings.data_dir / "logs"
        self.state = self.run / "state.json"
        self.lock = self.run / "lock"
        self.wanted = self.run / "wanted.json"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def mark(self, name: str) -> str:
        """What a service's processes are known by (rapport.processes.MARK)."""
        return f"{self.run}:{name}"


def write_state(path: Path, state: State | Wanted) -> None:
    """Replace the file at once: a reader sees the old state or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".tmp")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
    draft.replace(path)


def read_wanted(path: Path) -> Wanted:
    """What was last asked for."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Wanted)
    except (OSError, msgspec.MsgspecError):
        return Wanted()


def read_state(path: Path) -> State | None:
    """The state last written; None when there is none, or it is of another version of Rapport."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError):
        return None


def take_lock(path: Path) -> BinaryIO | None:
    """The lock that a running supervisor holds, to be kept open; None when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
