"""Compaction, retention, erasure, migration and taking repeats out, killed at every step and done again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rapport.archive import Archive
from rapport.archive.retention import DAY_US
from rapport.archive.verify import verify
from rapport.bus.protocol import Position
from tests.archive import maintainer, writer
from tests.archive.former import FormerTable
from tests.archive.maintainer import TOPIC, once
from tests.archive.rows import rows

_ROOT = Path(__file__).parents[2]
_FILES = 12
_KILLS = 3


def _given(folder: Path, *, former: bool = False) -> None:
    """Three months of events: of a customer to erase, old ones, and repeats."""
    archive = Archive(folder)
    table = FormerTable(archive, TOPIC) if former else None
    for number in range(1, _FILES + 1):
        events = [
            {"event_id": f"{number}-{i}", "customer_id": "gone" if i % 5 == 0 else "kept", "arrival_time": number}
            | {"event_time": (number * 7 + i) % 90 * DAY_US}
            for i in range(20)
        ]
        table_rows = rows(TOPIC, [*events, events[1] | {"arrival_time": 99}])
        if table:
            table.append(table_rows, "w", Position(number, 0))
        else:
            archive.append(TOPIC, table_rows, writer="w", position=Position(number, 0))


def _state(archive: Archive) -> list[tuple[object, ...]]:
    found = archive.scan(TOPIC, ["event_id", "customer_id", "event_time", "arrival_time"])
    return sorted(zip(*(column.to_pylist() for column in found.columns), strict=True))


def _killed_after(folder: Path, what: str, delay_s: float) -> None:
    command = [sys.executable, "-m", maintainer.__name__, str(folder), what, "1"]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay_s)
        process.kill()


@pytest.mark.parametrize("what", ["compact", "retain", "erase", "dedupe", "migrate"])
def test_killed_and_done_again_it_is_as_if_it_had_not_been_killed(tmp_path: Path, what: str) -> None:
    given = tmp_path / "given"
    _given(given, former=what == "migrate")
    whole, before = tmp_path / "whole", _state(Archive(given))
    shutil.copytree(given, whole)
    begun = time.perf_counter()
    once(Archive(whole), what)
    lasts_s, wanted = time.perf_counter() - begun, _state(Archive(whole))
    for kill in range(_KILLS):
        folder = tmp_path / f"killed-{kill}"
        shutil.copytree(given, folder)
        archive = Archive(folder)
        _killed_after(folder, what, lasts_s * (kill + 0.5) / _KILLS)
        found = _state(archive)
        # Months and topics are one commit each: between them, part of the rows may be gone.
        assert set(wanted) <= set(found) <= set(before)
        assert not archive.append(TOPIC, rows(TOPIC, [{}]), writer="w", position=Position(_FILES, 0))
        once(archive, what)
        assert _state(archive) == wanted
        assert verify(archive, TOPIC).problems == []
        assert archive.position(TOPIC, "w") == Position(_FILES, 0)


def test_writers_go_on_while_everything_is_done_to_the_table(tmp_path: Path) -> None:
    """Two processes append while others join files, let go of old rows, take repeats out and erase."""
    archive = Archive(tmp_path)
    archive.append(TOPIC, rows(TOPIC, [{"customer_id": "gone"}]), writer="first", position=Position(1, 0))
    writers = [_start(writer.__name__, str(tmp_path), name, "20") for name in ("a", "b")]
    others = [_start(maintainer.__name__, str(tmp_path), what, "1000") for what in ("compact", "dedupe", "erase")]
    try:
        for process in writers:
            assert process.wait(timeout=120) == 0
        assert [process.poll() for process in others] == [None] * len(others), "one of them failed by itself"
    finally:
        for process in [*writers, *others]:
            process.send_signal(signal.SIGKILL)
            process.wait()
    ids = archive.scan(TOPIC, ["event_id"])["event_id"].to_pylist()
    assert sorted(ids) == sorted(f"{w}-{n}-{i}" for w in "ab" for n in range(1, 21) for i in range(writer.BATCH))
    assert verify(archive, TOPIC).problems == []


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=_ROOT, stdout=subprocess.DEVNULL)
