"""Other programs read the archive: DuckDB, pandas, PyArrow, after appends, joins, and an erasure."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable

from rapport.archive import Archive
from rapport.bus.protocol import Position
from tests.archive.rows import rows

TOPIC = "customer_clicks"
MARCH_US = 1_741_000_000_000_000


@pytest.fixture
def paths(archive: Archive) -> list[str]:
    """Files of three kinds: as appended, as joined, as written anew; two rows of bob and one of cem count."""
    for number, who in enumerate(("anna", "bob", "bob", "anna"), 1):
        event = {"event_id": f"e{number}", "customer_id": who, "event_time": MARCH_US + number, "price_micros": number}
        archive.append(TOPIC, rows(TOPIC, [event]), writer="w", position=Position(number, 0))
    archive.compact(TOPIC)
    assert archive.delete_customer("anna") == 2
    late = [{"event_id": "e5", "customer_id": "cem", "event_time": 5, "price_micros": 5}]
    archive.append(TOPIC, rows(TOPIC, late), writer="w", position=Position(5, 0))
    with archive.snapshot(TOPIC) as snapshot:
        assert {path.parent.name for path in snapshot.files} == {"month=1970-01", "month=2025-03"}
        return [str(path) for path in snapshot.files]


def test_duckdb(archive: Archive, paths: list[str]) -> None:
    query = "SELECT customer_id, sum(price_micros) FROM {} GROUP BY ALL ORDER BY ALL"
    assert duckdb.sql(query.format(archive.sql_source(TOPIC))).fetchall() == [("bob", 5), ("cem", 5)]
    relation = duckdb.read_parquet(paths, union_by_name=True, hive_partitioning=True)
    assert duckdb.sql(query.format("relation")).fetchall() == [("bob", 5), ("cem", 5)]
    assert duckdb.sql("SELECT count(*) FROM relation WHERE month = '2025-03'").fetchall() == [(2,)]
    assert relation.columns[0] == "event_id"


def test_pandas(archive: Archive, paths: list[str]) -> None:
    frame = pd.concat([pd.read_parquet(path) for path in paths])
    assert sorted(frame["customer_id"]) == ["bob", "bob", "cem"]
    assert frame["event_time"].max() == pd.Timestamp(MARCH_US + 3, unit="us", tz="UTC")
    bob = [pd.read_parquet(path, filters=[("customer_id", "==", "bob")]) for path in paths]
    assert [len(part) for part in bob] == [0, 2]
    delta = DeltaTable(str(archive.folder / TOPIC)).to_pandas(filters=[("customer_id", "=", "bob")])
    assert sorted(delta["event_id"]) == ["e2", "e3"]


def test_pyarrow(paths: list[str], archive: Archive) -> None:
    table = ds.dataset(paths, format="parquet").to_table(filter=ds.field("customer_id") == "bob")
    assert sorted(table["event_id"].to_pylist()) == ["e2", "e3"]
    read = DeltaTable(str(archive.folder / TOPIC)).to_pyarrow_table(filters=[("month", "=", "1970-01")])
    assert read["event_time"].to_pylist() == [datetime(1970, 1, 1, 0, 0, 0, 5, UTC)]


def test_a_range_of_time_opens_no_other_months_files(archive: Archive, paths: list[str]) -> None:
    Path(paths[0]).write_bytes(b"would not be readable")
    assert archive.scan(TOPIC, ["event_id"], since_us=MARCH_US).num_rows == 2
    assert archive.scan(TOPIC, ["event_id"], since_us=MARCH_US, until_us=MARCH_US + 3).num_rows == 1
