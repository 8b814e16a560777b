"""The archive's promises, on real tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapport.archive import DECISIONS, TOPICS, Archive, arrow_schema, from_rows
from rapport.archive.files import append_rows
from rapport.bus.protocol import START, Position
from rapport.errors import ArchiveError
from tests.archive.rows import rows

CLICKS = "customer_clicks"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "it's (a) 100% *fo?lder*")


def test_reading_an_empty_archive_makes_nothing(archive: Archive) -> None:
    assert archive.position(CLICKS, "w") == START
    assert archive.scan(CLICKS).schema.equals(arrow_schema(CLICKS))
    assert archive.topics() == []
    assert archive.delete_customer("c1") == 0
    assert not archive.folder.exists()


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_takes_and_gives_its_columns(archive: Archive, topic: str) -> None:
    given_rows = rows(topic, [{"event_time": 1_000_001}]) if topic != DECISIONS else _decision()
    assert archive.append(topic, given_rows, writer="w", position=Position(1, 0))
    assert archive.scan(topic).equals(given_rows.cast(arrow_schema(topic)))
    assert duckdb.sql(f"FROM {archive.sql_source(topic)}").columns == arrow_schema(topic).names


def test_an_append_is_seen_once_however_often_it_is_repeated(archive: Archive) -> None:
    first, second = rows(CLICKS, [{}, {}]), rows(CLICKS, [{}])
    assert archive.append(CLICKS, first, writer="w", position=Position(5, 1))
    assert not archive.append(CLICKS, first, writer="w", position=Position(5, 1))
    assert not archive.append(CLICKS, second, writer="w", position=Position(4, 9))
    assert archive.append(CLICKS, second, writer="w", position=Position(5, 2))
    assert archive.append(CLICKS, second, writer="other", position=Position(1, 0))
    assert archive.scan(CLICKS).num_rows == 4
    assert archive.position(CLICKS, "w") == Position(5, 2)
    assert archive.position(CLICKS, "other") == Position(1, 0)
    assert archive.position("feedback", "w") == START


def test_a_batch_without_rows_moves_the_position(archive: Archive) -> None:
    assert archive.append(CLICKS, rows(CLICKS, []), writer="w", position=Position(1 << 50, (1 << 62) + 1))
    assert archive.position(CLICKS, "w") == Position(1 << 50, (1 << 62) + 1)
    assert archive.scan(CLICKS).num_rows == 0
    assert archive.delete_customer("c1") == 0
    assert duckdb.sql(f"FROM {archive.sql_source(CLICKS)}").fetchall() == []


def test_scan_chooses_columns_and_times(archive: Archive) -> None:
    archive.append(CLICKS, rows(CLICKS, [{"event_time": t} for t in (10, 20, 30)]), writer="w", position=Position(1, 0))
    seen = archive.scan(CLICKS, ["event_time"], since_us=20, until_us=30)
    assert seen.column_names == ["event_time"]
    assert seen["event_time"].to_pylist() == [datetime(1970, 1, 1, 0, 0, 0, 20, UTC)]
    assert archive.scan(CLICKS, ["event_id"], since_us=20).num_rows == 2
    assert archive.scan(CLICKS, ["event_id"], until_us=30).num_rows == 2


def test_duckdb_reads_exact_values(archive: Archive) -> None:
    events = [{"event_time": 1_700_000_000_000_001, "price_micros": (1 << 62) + 1, "view": True, "page": "ü'\"\n"}]
    archive.append(CLICKS, rows(CLICKS, events), writer="w", position=Position(1, 0))
    query = f"SELECT epoch_us(event_time), price_micros, view, page, cart_add FROM {archive.sql_source(CLICKS)}"
    assert duckdb.sql(query).fetchall() == [(1_700_000_000_000_001, (1 << 62) + 1, True, "ü'\"\n", None)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(customer=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12))
def test_a_deleted_customer_is_in_no_file(tmp_path_factory: pytest.TempPathFactory, customer: str) -> None:
    archive = Archive(tmp_path_factory.mktemp("archive"))
    marked = {"customer_id": customer, "page": "the-secret-page"}
    for number, topic in enumerate((CLICKS, CLICKS, "feedback")):
        events = [{"customer_id": customer + "x"}, marked if topic == CLICKS else {"customer_id": customer}]
        archive.append(topic, rows(topic, events), writer="w", position=Position(number + 1, 0))
    append_rows(archive.folder / "profile.parquet", pa.table({"customer_id": [customer, "other"], "tier": ["a", "b"]}))
    assert archive.delete_customer(customer) == 4
    assert archive.delete_customer(customer) == 0
    kept = [pq.read_table(path) for path in archive.folder.rglob("*.parquet") if "_delta_log" not in path.parts]
    assert sum(table.num_rows for table in kept) == 4
    for table in kept:
        assert customer not in table["customer_id"].to_pylist()
    for path in archive.folder.rglob("*.json"):
        assert "the-secret-page" not in path.read_text()
        assert "customer_id =" not in path.read_text()
    assert archive.position(CLICKS, "w") == Position(2, 0)
    assert not archive.append(CLICKS, rows(CLICKS, [marked]), writer="w", position=Position(2, 0))


def test_deletion_also_removes_what_a_crashed_append_left(archive: Archive) -> None:
    archive.append(CLICKS, rows(CLICKS, [{"customer_id": "other"}]), writer="w", position=Position(1, 0))
    orphan = archive.folder / CLICKS / "part-00000-orphan.parquet"
    pq.write_table(rows(CLICKS, [{}]), orphan)
    assert archive.delete_customer("c1") == 0
    assert not orphan.exists()
    assert archive.scan(CLICKS)["customer_id"].to_pylist() == ["other"]


def test_compaction_keeps_rows_and_positions(archive: Archive) -> None:
    for number in range(1, 12):
        archive.append(CLICKS, rows(CLICKS, [{"quantity": number}]), writer="w", position=Position(number, 0))
    archive.compact(CLICKS)
    with archive.snapshot(CLICKS) as snapshot:
        assert len(snapshot.files) == 1
    assert sorted(archive.scan(CLICKS)["quantity"].to_pylist()) == list(range(1, 12))
    assert archive.position(CLICKS, "w") == Position(11, 0)


def test_many_appends_leave_few_files(archive: Archive) -> None:
    one = rows(CLICKS, [{}])
    for number in range(1, 221):
        archive.append(CLICKS, one, writer="w", position=Position(number, 0))
    with archive.snapshot(CLICKS) as snapshot:
        assert len(snapshot.files) < 30
    assert archive.scan(CLICKS, ["event_id"]).num_rows == 220


def test_an_append_inside_a_snapshot_does_not_wait_for_it(archive: Archive) -> None:
    archive.append(CLICKS, rows(CLICKS, [{}]), writer="w", position=Position(1, 0))
    with archive.snapshot(CLICKS) as snapshot:
        archive.append(CLICKS, rows(CLICKS, [{}]), writer="w", position=Position(2, 0))
        archive.compact(CLICKS)
        assert sum(pq.read_metadata(path).num_rows for path in snapshot.files) == 1


def test_a_column_declared_later_is_null_for_older_events(archive: Archive, tmp_path: Path) -> None:
    from rapport.archive.sql import relation
    from rapport.archive.table import TopicTable

    old = rows(CLICKS, [{}]).drop_columns(["cart_micros"])
    former = TopicTable(archive.folder / CLICKS, archive.locks, old.schema)
    former.append(old, "w", Position(1, 0))
    assert archive.scan(CLICKS)["cart_micros"].to_pylist() == [None]
    with archive.snapshot(CLICKS) as snapshot:
        assert duckdb.sql(f"SELECT cart_micros FROM {relation(snapshot, arrow_schema(CLICKS))}").fetchall() == [(None,)]
    archive.append(CLICKS, rows(CLICKS, [{"cart_micros": 7}]), writer="w", position=Position(2, 0))
    assert sorted(archive.scan(CLICKS)["cart_micros"].to_pylist(), key=str) == [7, None]
    source = archive.sql_source(CLICKS)
    assert duckdb.sql(f"SELECT cart_micros FROM {source} ORDER BY 1").fetchall() == [(7,), (None,)]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (lambda: rows(CLICKS, [{}]).drop_columns(["page"]), "missing ['page']"),
        (lambda: rows(CLICKS, [{}]).append_column("extra", pa.array([1])), "unknown ['extra']"),
        (lambda: _with(rows(CLICKS, [{}]), "quantity", pa.array(["many"])), "'quantity'"),
        (lambda: _with(rows(CLICKS, [{}]), "customer_id", pa.array([None], pa.string())), "1 nulls"),
    ],
)
def test_rows_that_do_not_fit_are_refused(archive: Archive, table: object, said: str) -> None:
    assert callable(table)
    with pytest.raises(ArchiveError) as caught:
        archive.append(CLICKS, table(), writer="w", position=Position(1, 0))
    assert said in str(caught.value)
    assert archive.position(CLICKS, "w") == START


def test_unknown_topics_columns_and_positions_are_refused(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="no topic 'clicks'; it has customer_clicks"):
        archive.scan("clicks")
    with pytest.raises(ArchiveError, match=r"no columns \['colour'\]"):
        archive.scan(CLICKS, ["colour"])
    with pytest.raises(ArchiveError, match="not the position of a record"):
        archive.append(CLICKS, rows(CLICKS, [{}]), writer="w", position=START)


def test_a_folder_that_tables_cannot_be_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="RAPPORT_DATA_DIR"):
        Archive(tmp_path / "a[b]")


def test_a_damaged_table_says_where(archive: Archive) -> None:
    archive.append(CLICKS, rows(CLICKS, [{}]), writer="w", position=Position(1, 0))
    for entry in (archive.folder / CLICKS / "_delta_log").glob("*.json"):
        entry.write_text("{ not json")
    with pytest.raises(ArchiveError, match="customer_clicks"):
        archive.scan(CLICKS)


def test_checked_rows_become_a_table() -> None:
    table = from_rows("feedback", [("e", "c", 1, None, 3, 1, 5, None, True, 1.5, None, None, False)])
    assert table.schema.equals(arrow_schema("feedback"))
    assert table.to_pylist()[0]["event_time"] == datetime(1970, 1, 1, 0, 0, 0, 1, UTC)
    assert from_rows("feedback", []).num_rows == 0
    with pytest.raises(ArchiveError, match="its columns are 13"):
        from_rows("feedback", [("e",)])
    with pytest.raises(ArchiveError, match="'csat'"):
        from_rows("feedback", [("e", "c", 1, None, 3, 1, "five", None, True, 1.5, None, None, False)])


def _decision() -> pa.Table:
    return pa.table([["d1"], ["c1"], [0], ["{}"]], schema=arrow_schema(DECISIONS))


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
