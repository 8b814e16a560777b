"""`verify` finds what is planted, `dedupe` takes out repeats and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.archive import DECISIONS, Archive, archive_writer, arrow_schema, with_source
from rapport.archive.repeats import dedupe, migrate
from rapport.archive.retention import DAY_US, parse_retention, retain, too_short
from rapport.archive.verify import verify
from rapport.bus.protocol import Position
from rapport.errors import ArchiveError, SettingsError
from rapport.events.columns import COLUMNS
from rapport.windows import Aggregation, View, compile_view
from tests.archive.former import FormerTable
from tests.archive.rows import rows

TOPIC = "feedback"


def _block(archive: Archive, number: int, events: list[dict[str, object]], lo: list[int] | None = None) -> None:
    places = np.array(lo or range(1, len(events) + 1))
    table = with_source(rows(TOPIC, events), 0, np.full(len(events), number), places)
    archive.append(TOPIC, table, writer=archive_writer(0), position=Position(number + 1, 0))


def test_a_sound_table_has_no_problems(archive: Archive) -> None:
    assert verify(archive, TOPIC).rows == 0
    _block(archive, 1, [{"csat": 5}, {"event_id": "x"}])
    found = verify(archive, TOPIC)
    assert (found.rows, found.files, found.problems) == (2, 1, [])
    assert found.nulls["csat"] == 0.5 and "event_id" not in found.nulls


def test_repeats_and_conflicts_are_told_apart(archive: Archive) -> None:
    first = {"event_id": "a", "event_time": 40, "arrival_time": 40, "csat": 3}
    ahead = {"event_id": "b", "event_time": 50, "claimed_time": 70, "arrival_time": 50}
    _block(archive, 1, [first, ahead])
    # Sent again later; and one that was ahead of its first arrival, but not of its second.
    _block(archive, 2, [first | {"arrival_time": 900}, ahead | {"event_time": 70, "claimed_time": None}])
    _block(archive, 3, [first | {"csat": 4}, first | {"customer_id": "other"}])
    found = verify(archive, TOPIC)
    assert (found.repeats, found.conflicts, found.problems) == (2, 2, [])
    assert dedupe(archive, TOPIC) == 2
    assert dedupe(archive, TOPIC) == 0
    left = archive.scan(TOPIC, ["event_id", "csat", "customer_id", "source_hi"]).to_pylist()
    assert sorted((row["event_id"], row["source_hi"]) for row in left) == [("a", 1), ("a", 3), ("a", 3), ("b", 1)]
    found = verify(archive, TOPIC)
    assert (found.repeats, found.conflicts, found.removed, found.problems) == (0, 2, 2, [])


def test_a_decision_published_twice_is_a_repeat(archive: Archive) -> None:
    row = pa.table([["d1"], ["c1"], [0], ["{}"]], schema=arrow_schema(DECISIONS))
    for number in (1, 2):
        archive.append(DECISIONS, row, writer="w", position=Position(number, 0))
    assert verify(archive, DECISIONS).repeats == 1
    assert dedupe(archive, DECISIONS) == 1
    assert archive.scan(DECISIONS).num_rows == 1


def test_lost_and_doubled_rows_are_problems(archive: Archive) -> None:
    events = [{"event_id": f"e{i}"} for i in range(4)]
    _block(archive, 1, events[:2], lo=[1, 4])
    (problem,) = verify(archive, TOPIC).problems
    assert problem == "2 rows are missing between others; only 0 were removed"
    _block(archive, 2, events[2:], lo=[1, 1])
    assert "1 rows have another row's place on the bus: they were archived twice" in verify(archive, TOPIC).problems
    late = with_source(rows(TOPIC, [{"event_id": "late"}]), 0, np.array([99]), np.array([1]))
    archive.append(TOPIC, late, writer="stranger", position=Position(1, 0))
    assert "partition 0 has rows up to 99-1, but its position is (3, 0)" in verify(archive, TOPIC).problems


def test_an_erased_customers_rows_are_not_missing(archive: Archive) -> None:
    _block(archive, 1, [{"customer_id": "anna", "event_id": "1"}, {"customer_id": "bob", "event_id": "2"}])
    archive.delete_customer("anna")
    found = verify(archive, TOPIC)
    assert (found.missing, found.removed, found.problems) == (1, 1, [])


def test_damaged_files_are_named(archive: Archive) -> None:
    for number in (1, 2, 3):
        _block(archive, number, [{"event_id": f"e{number}"}])
    with archive.snapshot(TOPIC) as snapshot:
        gone, cut, other = snapshot.files
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-9])
    size = other.stat().st_size
    pq.write_table(pa.table({"event_id": [1]}), other)
    other.write_bytes(other.read_bytes().ljust(size, b"\0"))
    problems = " / ".join(verify(archive, TOPIC).problems)
    assert f"{gone.name} is gone" in problems and f"{cut.name} has" in problems and f"{other.name} cannot" in problems


def test_a_former_table_is_read_and_written_until_it_is_moved(archive: Archive, tmp_path: Path) -> None:
    former = FormerTable(archive, TOPIC)
    events = [{"event_id": f"e{day}", "event_time": day * DAY_US, "customer_id": f"c{day}"} for day in (0, 20, 40, 400)]
    former.append(rows(TOPIC, events), "w", Position(1, 0))
    archive.append(TOPIC, rows(TOPIC, [{"event_id": "new"}]), writer="w", position=Position(2, 0))
    assert archive.scan(TOPIC).num_rows == 5 and verify(archive, TOPIC).problems == []
    assert archive.delete_customer("c20") == 1
    assert [one.rows for one in retain(archive, {TOPIC: 1}, 30 * DAY_US)] == [2]
    with pytest.raises(ArchiveError, match="migrate"):
        dedupe(archive, TOPIC)
    assert migrate(archive, TOPIC) and not migrate(archive, TOPIC)
    with archive.snapshot(TOPIC) as snapshot:
        assert [path.parent.name for path in snapshot.files] == ["month=1970-02", "month=1971-02"]
    archive.append(TOPIC, rows(TOPIC, [{"event_id": "newer"}]), writer="w", position=Position(3, 0))
    assert sorted(archive.scan(TOPIC, ["event_id"])["event_id"].to_pylist()) == ["e40", "e400", "newer"]
    assert archive.position(TOPIC, "w") == Position(3, 0)
    archive.compact(TOPIC)
    assert verify(archive, TOPIC).problems == []


def test_retention_is_read_strictly() -> None:
    assert parse_retention(" feedback=30, decisions=400 ") == {"feedback": 30, "decisions": 400}
    assert parse_retention("") == {}
    for text, said in (("clicks=3", "'clicks' is no topic"), ("feedback=x", "days are"), ("feedback=0", "days are")):
        with pytest.raises(SettingsError, match=said):
            parse_retention(text)
    with pytest.raises(SettingsError, match="named twice"):
        parse_retention("feedback=3 feedback=4")


def test_views_that_look_further_back_are_named() -> None:
    hour = 3_600_000_000
    ends = Aggregation("csat_30d", "mean", "csat", 30 * 24 * hour, 24 * hour)
    never = Aggregation("csat_ever", "mean", "csat", None, None)
    plans = [compile_view(View("month", COLUMNS[TOPIC], (ends,))), compile_view(View("ever", COLUMNS[TOPIC], (never,)))]
    found = too_short({TOPIC: 30}, {TOPIC: plans})
    assert [(one.view, one.window_days) for one in found] == [("month", 31.0), ("ever", None)]
    assert [one.view for one in too_short({TOPIC: 31}, {TOPIC: plans})] == ["ever"]
    assert too_short({"decisions": 1}, {TOPIC: plans}) == []
