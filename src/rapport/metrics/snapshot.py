"""What a flow writes down of itself, once a second: one small file a process, replaced as a whole.

A file, and not a port: workers need none that could collide, nothing answers requests beside the records, and what a
process has done can still be read when it hangs or is dead.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from rapport.settings import Settings

__all__ = [
    "HistogramState",
    "ProcessState",
    "StageState",
    "TopicState",
    "clear_snapshots",
    "path_of",
    "read_snapshots",
    "snapshots_folder",
    "write",
]

_SUFFIX = ".msgpack"


class HistogramState(msgspec.Struct):
    """`counts` has one more than `limits`: what is above the last."""

    limits: list[float]
    counts: list[int]
    total: float


class TopicState(msgspec.Struct):
    """What a stage did with a topic."""

    progress_us: int
    events: int
    records: int
    rewinds: int
    dead: dict[str, int]
    rows: dict[str, int]
    batch_seconds: HistogramState
    batch_events: HistogramState
    delay: HistogramState
    lateness: HistogramState


class StageState(msgspec.Struct):
    heartbeat_us: int
    topics: dict[str, TopicState]


class ProcessState(msgspec.Struct):
    """All of a process since it started. Times are the system's, UTC, microseconds."""

    process: str
    started_us: int
    stages: dict[str, StageState]


def snapshots_folder(settings: Settings) -> Path:
    """Where the flows of this machine write their files."""
    return settings.data_dir / "run" / "metrics"


def write(folder: Path, state: ProcessState) -> None:
    """Replace the process's file.

    Raises:
        OSError
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = path_of(folder, state.process)
    draft = path.with_suffix(".tmp")
    draft.write_bytes(msgspec.msgpack.encode(state))
    draft.replace(path)


def path_of(folder: Path, process: str) -> Path:
    return folder / f"{process}{_SUFFIX}"


def clear_snapshots(folder: Path) -> None:
    """Forget the processes that were killed before an installation starts anew, perhaps with fewer of them."""
    for path in folder.glob(f"*{_SUFFIX}"):
        path.unlink(missing_ok=True)


def read_snapshots(folder: Path) -> list[ProcessState]:
    """The files that are there, by process; one of another version of Rapport is left out."""
    found = []
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            found.append(msgspec.msgpack.decode(path.read_bytes(), type=ProcessState))
        except (OSError, msgspec.MsgspecError):
            continue
    return sorted(found, key=lambda state: state.process)
