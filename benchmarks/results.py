"""A run's results: what was measured, on what machine, with which versions; one JSON file per run."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec
import psutil

from benchmarks.frame import Measurement

__all__ = ["FOLDER", "Group", "Machine", "Run", "Section", "describe", "newest", "save"]

FOLDER = Path(__file__).parent / "results"
_VERSIONS = (
    "bytewax",
    "feast",
    "bentoml",
    "redis",
    "numba",
    "numpy",
    "xgboost-cpu",
    "onnxruntime",
    "duckdb",
    "uvicorn",
)


class Machine(msgspec.Struct, frozen=True):
    """Where the figures come from."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    versions: dict[str, str]


class Group(msgspec.Struct, frozen=True):
    """What one benchmark module measured, or why it could not."""

    name: str
    title: str
    measurements: tuple[Measurement, ...] = ()
    error: str = ""
    seconds: float = 0.0


class Run(msgspec.Struct, frozen=True):
    """One run of the benchmarks."""

    time: datetime
    commit: str
    quick: bool
    machine: Machine
    groups: tuple[Group, ...]


class Section(msgspec.Struct, frozen=True):
    """One benchmark's measurements, and the run that they are of."""

    run: Run
    group: Group


def describe() -> Machine:
    """This machine."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions={name: metadata.version(name) for name in _VERSIONS},
    )


def save(quick: bool, groups: list[Group]) -> Path:
    """Write the run into FOLDER, under its time."""
    now = datetime.now(UTC)
    run = Run(now, _commit(), quick, describe(), tuple(groups))
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{now:%Y-%m-%dT%H-%M-%SZ}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1))
    return path


def newest(quick: bool = False) -> list[Section]:
    """Of each benchmark the newest measurements that were saved, by name; quick ones only when asked for."""
    found: dict[str, Section] = {}
    for path in sorted(FOLDER.glob("*.json")):
        run = msgspec.json.decode(path.read_bytes(), type=Run)
        if quick or not run.quick:
            found |= {group.name: Section(run, group) for group in run.groups if group.measurements}
    return [found[name] for name in sorted(found)]


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=FOLDER.parent, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else "unknown"
