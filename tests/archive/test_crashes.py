"""Exactly once across killed writers, and consistent reads beside live ones: real processes."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from rapport.archive import Archive
from tests.archive import writer
from tests.archive.writer import BATCH, TOPIC

_ROOT = Path(__file__).parents[2]
_LAST = 10_000


def _start(folder: Path, name: str, last: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", writer.__name__, str(folder), name, str(last)]
    return subprocess.Popen(command, cwd=_ROOT)


def _wait_for_progress(archive: Archive, name: str, beyond: int) -> None:
    deadline = time.monotonic() + 60
    while archive.position(TOPIC, name).hi <= beyond:
        assert time.monotonic() < deadline, "the writer does not append"
        time.sleep(0.01)


def test_a_writer_killed_at_any_moment_loses_and_repeats_nothing(tmp_path: Path) -> None:
    archive, chance = Archive(tmp_path), random.Random(7)
    for _ in range(4):
        before = archive.position(TOPIC, "w").hi
        process = _start(tmp_path, "w", _LAST)
        _wait_for_progress(archive, "w", before)
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        process.wait()
    reached = archive.position(TOPIC, "w").hi
    assert _start(tmp_path, "w", reached + 3).wait() == 0
    ids = archive.scan(TOPIC, ["event_id"])["event_id"].to_pylist()
    assert sorted(ids) == sorted(f"w-{n}-{i}" for n in range(1, reached + 4) for i in range(BATCH))


def test_readers_see_whole_batches_while_others_append_and_delete(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    processes = [_start(tmp_path, name, _LAST) for name in ("a", "b")]
    try:
        for name in ("a", "b"):
            _wait_for_progress(archive, name, 0)
        seen = 0
        for turn in range(25):
            if turn % 8 == 7:
                archive.delete_customer("c1" if turn == 15 else "nobody")
                seen = 0
            with archive.snapshot(TOPIC) as snapshot:
                query = f"SELECT count(*) FROM read_parquet({[str(path) for path in snapshot.files]!r})"
                total = duckdb.sql(query).fetchall()[0][0] if snapshot.files else 0
            scanned = archive.scan(TOPIC, ["event_id"]).num_rows
            assert total % BATCH == 0
            assert scanned % BATCH == 0
            assert scanned >= total >= seen
            seen = scanned
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert all(process.returncode == -9 for process in processes), "a writer failed by itself"
