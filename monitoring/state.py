"""What monitoring remembers and what it tells: the state that survives a restart, and the history that people read.

<data_dir>/reports/state.json       State: replaced whole after each step
<data_dir>/reports/history.jsonl    one Happening per line, oldest first; at 10 MB it becomes history.1.jsonl
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import msgspec

from rapport.errors import ServiceError
from rapport.files import write_whole

__all__ = ["Happening", "ModelState", "State", "append_history", "read_history", "read_state", "write_state"]

_HISTORY_BYTES = 10 * 1024 * 1024


class ModelState(msgspec.Struct, kw_only=True):
    """What is remembered of one model. Times: the machine's clock, microseconds."""

    last_report_us: int | None = None
    last_retrain_us: int | None = None
    """When drift last started a retraining; written before it starts, so that a crash in it counts as one."""
    version: str = ""
    share: float = 0.0
    score_psi: float | None = None
    rows: int = 0
    reports: int = 0
    failures: int = 0
    """Reports that could not be made, too few decisions apart."""
    retrainings: dict[str, int] = {}
    """Outcome (`promoted`, `refused`, `failed`) to how many there were."""


class State(msgspec.Struct):
    """What monitoring remembers: a ModelState per model."""

    models: dict[str, ModelState] = {}

    def of(self, model: str) -> ModelState:
        """The model's state, made when there is none."""
        return self.models.setdefault(model, ModelState())


class Happening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the history."""

    time_us: int
    model: str
    what: str
    """`report`, `too_few`, `report_failed`, `retrain_started`, `promoted`, `refused` or `failed`."""
    why: str
    report: str = ""
    """Path of the HTML page that it follows from."""
    share: float | None = None
    rows: int | None = None
    version_before: str = ""
    version_after: str = ""
    """The champion after it; the same when a candidate was refused."""


def read_state(folder: Path) -> State:
    """The state in `<data_dir>/reports`; empty when there is none.

    Raises:
        ServiceError: the file is not a state.
    """
    path = folder / "state.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except msgspec.DecodeError as error:
        raise ServiceError(f"{path} is not monitoring's state: {error}; remove it to forget past retrainings") from None


def write_state(folder: Path, state: State) -> None:
    """Replace the state in `<data_dir>/reports`: a crash leaves the old one or the new one."""
    write_whole(folder / "state.json", msgspec.json.encode(state), lasting=True)


def append_history(folder: Path, happening: Happening) -> None:
    """Add a line to the history in `<data_dir>/reports`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "history.jsonl"
    if path.is_file() and path.stat().st_size >= _HISTORY_BYTES:
        path.replace(folder / "history.1.jsonl")
    with path.open("a+b") as file:
        # What a crash has cut short must not take the next line with it.
        start = b"\n" if file.tell() and _last_byte(file) != b"\n" else b""
        file.write(start + msgspec.json.encode(happening) + b"\n")


def read_history(folder: Path) -> list[Happening]:
    """The history in `<data_dir>/reports`, oldest first; a line that a crash has cut short is left out."""
    path = folder / "history.jsonl"
    lines = path.read_bytes().splitlines() if path.is_file() else []
    return [one for line in lines if (one := _decoded(line)) is not None]


def _decoded(line: bytes) -> Happening | None:
    try:
        return msgspec.json.decode(line, type=Happening)
    except msgspec.DecodeError:
        return None


def _last_byte(file: BinaryIO) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)
