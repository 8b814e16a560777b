"""The versions of a table that can still be read, from its log; and letting go of those that need not be.

A version can be read from a checkpoint (the table as it was at one version) and the commits behind it. Every commit of
the last hour is kept, and of each day before that the last version with a checkpoint, for as many days as is wished.
The log stays short so: with a commit every five seconds, a week of it would make each append take a second.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from rapport.errors import ArchiveError

__all__ = ["KEPT_S", "Version", "daily", "find", "prune", "readable"]

KEPT_S = 3_600
"""For so long every version is kept, seconds."""
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a table, when it was made (UTC), and by what: `WRITE`, `OPTIMIZE`, `DELETE`, …"""

    number: int
    time: datetime
    operation: str


@dataclass(frozen=True, slots=True)
class _Log:
    """The numbers of a log's commits and checkpoints."""

    commits: dict[int, Path]
    checkpoints: dict[int, list[Path]]


class _Info(msgspec.Struct, frozen=True):
    timestamp: int = 0
    operation: str = ""


class _Line(msgspec.Struct, frozen=True):
    commitInfo: _Info | None = None  # noqa: N815 - Delta's name


_line = msgspec.json.Decoder(_Line)


def readable(folder: Path) -> list[Version]:
    """The versions of the table in `folder` that can be read, oldest first; the caller holds its files lock."""
    log = _log(folder)
    return [_version(number, log.commits[number]) for number in _reachable(log) if number in log.commits]


def find(folder: Path, as_of: int | datetime) -> Version:
    """A version by its number, or the last one that was made by a time.

    Raises:
        ArchiveError: it is not kept, or there was none.
    """
    versions = readable(folder)
    if isinstance(as_of, datetime):
        fitting = [version for version in versions if version.time <= as_of]
    else:
        fitting = [version for version in versions if version.number == as_of]
    if fitting:
        return fitting[-1]
    if not versions:
        raise ArchiveError(f"{folder.name} has no versions yet")
    first, last = versions[0], versions[-1]
    raise ArchiveError(
        f"{folder.name} as of {as_of} is not kept: versions {first.number} ({first.time.isoformat()}) to {last.number} "
        f"are, with gaps; `rapport archive versions {folder.name}` lists them. Older ones went after "
        "RAPPORT_ARCHIVE_VERSIONS_DAYS, or when a customer was erased"
    )


def daily(folder: Path, days: int, now_s: float | None = None) -> set[int]:
    """Of each of the last `days` days, the last version with a checkpoint."""
    now_s = time.time() if now_s is None else now_s
    log = _log(folder)
    last: dict[int, int] = {}
    for number in sorted(log.checkpoints.keys() & log.commits.keys()):
        made_s = _version(number, log.commits[number]).time.timestamp()
        if made_s >= now_s - days * _DAY_S:
            last[int(made_s // _DAY_S)] = number
    return set(last.values())


def prune(folder: Path, kept: Collection[int], now_s: float | None = None) -> None:
    """Remove what no version needs that is in `kept` or younger than KEPT_S. The caller is alone with the log."""
    now_s = time.time() if now_s is None else now_s
    log = _log(folder)
    old = [number for number, path in log.commits.items() if path.stat().st_mtime < now_s - KEPT_S]
    # The youngest checkpoint that all younger versions can be read from.
    starts = [number for number in log.checkpoints if number <= max(old, default=-1)]
    if not starts:
        return
    needed = max(starts)
    for number, path in log.commits.items():
        if number < needed and number not in kept:
            path.unlink()
    for number, paths in log.checkpoints.items():
        if number < needed and number not in kept:
            for path in paths:
                path.unlink()


def _reachable(log: _Log) -> list[int]:
    """The numbers from which an unbroken row of commits leads back to a checkpoint or to the beginning."""
    reachable: list[int] = []
    for number in sorted(log.commits.keys() | log.checkpoints.keys()):
        behind = number in log.commits and (number == 0 or (bool(reachable) and reachable[-1] == number - 1))
        if number in log.checkpoints or behind:
            reachable.append(number)
    return reachable


def _log(folder: Path) -> _Log:
    commits: dict[int, Path] = {}
    checkpoints: dict[int, list[Path]] = {}
    for path in (folder / "_delta_log").glob("*"):
        number, _, kind = path.name.partition(".")
        if not number.isdigit():
            continue
        if kind == "json":
            commits[int(number)] = path
        elif kind.startswith("checkpoint"):
            checkpoints.setdefault(int(number), []).append(path)
    return _Log(commits, checkpoints)


def _version(number: int, path: Path) -> Version:
    for line in path.read_bytes().splitlines():
        info = _line.decode(line).commitInfo
        if info is not None:
            return Version(number, datetime.fromtimestamp(info.timestamp / 1e3, UTC), info.operation)
    return Version(number, datetime.fromtimestamp(path.stat().st_mtime, UTC), "")
