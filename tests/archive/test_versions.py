"""Reading the archive as it was, and what that can no longer show."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rapport.archive import Archive, table
from rapport.archive.export import export
from rapport.archive.versions import daily, prune, readable
from rapport.bus.protocol import Position
from rapport.errors import ArchiveError
from tests.archive.rows import rows

TOPIC = "customer_clicks"


def _append(archive: Archive, number: int, customer: str = "c1") -> None:
    event = {"event_id": f"e{number}", "customer_id": customer, "quantity": number, "page": "the-secret-page"}
    archive.append(TOPIC, rows(TOPIC, [event]), writer="w", position=Position(number, 0))


def _quantities(archive: Archive, as_of: int | datetime | None) -> list[int]:
    return sorted(archive.scan(TOPIC, ["quantity"], as_of=as_of)["quantity"].to_pylist())


def test_every_version_and_time_gives_what_was_there(archive: Archive, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        _append(archive, number)
        time.sleep(0.01)
    archive.compact(TOPIC)
    _append(archive, 4)
    versions = archive.versions(TOPIC)
    assert [one.operation for one in versions][:5] == ["CREATE TABLE", "WRITE", "WRITE", "WRITE", "OPTIMIZE"]
    writes = [one for one in versions if one.operation == "WRITE"]
    for number, version in enumerate(writes, 1):
        assert _quantities(archive, version.number) == list(range(1, number + 1))
        assert _quantities(archive, version.time + timedelta(milliseconds=1)) == list(range(1, number + 1))
    assert export(archive, TOPIC, tmp_path / "was.parquet", as_of=writes[1].number) == (writes[1].number, 2)
    assert sorted(pq.read_table(tmp_path / "was.parquet")["event_id"].to_pylist()) == ["e1", "e2"]
    with pytest.raises(ArchiveError, match=f"as of {versions[-1].number + 1} is not kept"):
        _quantities(archive, versions[-1].number + 1)
    with pytest.raises(ArchiveError, match="is not kept"):
        _quantities(archive, versions[0].time - timedelta(seconds=1))


def test_no_version_brings_an_erased_customer_back(archive: Archive) -> None:
    for number, customer in enumerate(("anna", "bob", "anna"), 1):
        _append(archive, number, customer)
    before = archive.versions(TOPIC)
    archive.compact(TOPIC, keep_days=7)
    assert archive.delete_customer("anna") == 2
    for version in before:
        with pytest.raises(ArchiveError, match="erased"):
            _quantities(archive, version.number)
    for version in archive.versions(TOPIC):
        assert _quantities(archive, version.number) == [2]
    _append(archive, 4, "bob")
    assert _quantities(archive, None) == [2, 4]


def _age(folder: Path, hours: float) -> None:
    """Make all that is there older, as if it had been written before."""
    for path in folder.rglob("*"):
        if path.is_file():
            moment = path.stat().st_mtime - hours * 3_600
            if path.suffix == ".json":
                lines = [json.loads(line) for line in path.read_text().splitlines()]
                for line in lines:
                    if "commitInfo" in line:
                        line["commitInfo"]["timestamp"] -= round(hours * 3_600_000)
                path.write_text("\n".join(map(json.dumps, lines)))
            os.utime(path, (moment, moment))


def test_of_former_days_the_last_version_stays_and_the_log_is_short(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = archive.folder / TOPIC
    # When a file was replaced stands in checkpoints too, where a test cannot make it older.
    monkeypatch.setitem(table._CONFIGURATION, "delta.deletedFileRetentionDuration", "interval 0 seconds")
    pinned: list[tuple[int, list[int]]] = []
    for number in range(1, 5):
        _append(archive, 2 * number - 1)
        _append(archive, 2 * number)
        archive.compact(TOPIC, keep_days=3)
        pinned.append((max(_checkpoints(folder)), _quantities(archive, None)))
        _age(folder, 24)
    _append(archive, 9)
    archive.compact(TOPIC, keep_days=3)
    readable_now = {one.number for one in archive.versions(TOPIC)}
    for number, quantities in pinned[2:]:
        assert _quantities(archive, number) == quantities
    assert pinned[0][0] not in readable_now
    assert _quantities(archive, None) == [*range(1, 10)]
    _age(folder, 24 * 30)
    archive.compact(TOPIC, keep_days=3)
    assert len(list((folder / "_delta_log").glob("*.json"))) < 8
    with archive.snapshot(TOPIC) as snapshot:
        assert set(folder.rglob("part-*.parquet")) == set(snapshot.files)
    assert archive.position(TOPIC, "w") == Position(9, 0)


def test_pruning_keeps_what_the_last_hour_is_read_from(archive: Archive) -> None:
    folder = archive.folder / TOPIC
    for number in range(1, 8):
        _append(archive, number)
    _age(folder, 2)
    for number in range(8, 12):
        _append(archive, number)
    numbers = [one.number for one in readable(folder)]
    prune(folder, daily(folder, 0))
    assert [one.number for one in readable(folder)] == numbers, "no checkpoint yet: all of it is needed"
    archive.compact(TOPIC)
    assert _quantities(archive, 10) == [*range(1, 11)]


def _checkpoints(folder: Path) -> list[int]:
    return [int(path.name.partition(".")[0]) for path in (folder / "_delta_log").glob("*.checkpoint*.parquet")]


def test_times_are_aware(archive: Archive) -> None:
    _append(archive, 1)
    assert all(one.time.tzinfo is UTC for one in archive.versions(TOPIC))
