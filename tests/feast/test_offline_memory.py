"""History over more events than memory may hold gives the same answers: DuckDB sorts on disk, chunks bound the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from rapport.archive.sql import read_parquet
from rapport.errors import ArchiveError
from rapport.feast.sweep import EventSource, sweep
from rapport.windows import Aggregation, Kind, View, compile_view

EVENTS, CUSTOMERS, ROWS = 1_500_000, 3_000, 2_000
DAY_US = 86_400_000_000
LITTLE = {"memory_limit": "128MB", "threads": "1"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> EventSource:
    """Events of 90 days with texts, 200 MB in memory."""
    chance = np.random.default_rng(1)
    who = pa.array(chance.integers(CUSTOMERS, size=EVENTS)).cast(pa.string())
    table = pa.table(
        {
            "customer_id": who,
            "event_time": pa.array(chance.integers(90 * DAY_US, size=EVENTS)).cast(pa.timestamp("us", "UTC")),
            "amount": pa.array(chance.integers(1_000_000, size=EVENTS)),
            "text": pc.utf8_lpad(pa.array(chance.integers(10**12, size=EVENTS)).cast(pa.string()), 100, "x"),
        }
    )
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    pq.write_table(table, path)
    return EventSource("events", read_parquet([str(path)]), "customer_id", "event_time")


def test_events_beyond_memory(source: EventSource, tmp_path: Path) -> None:
    window = (DAY_US, DAY_US // 4)
    plan = compile_view(
        View(
            "v",
            {"amount": Kind.INT, "text": Kind.STRING},
            (
                Aggregation("sum", "sum", "amount", *window),
                Aggregation("std", "std", "amount", 30 * DAY_US, DAY_US),
                Aggregation("last", "last", "text", None, None),
                Aggregation("texts", "count_distinct", "text", *window),
            ),
        )
    )
    chance = np.random.default_rng(2)
    given = (
        source,
        [plan],
        chance.integers(CUSTOMERS, size=ROWS),
        pd.Index([str(n) for n in range(CUSTOMERS)]),
        chance.integers(90 * DAY_US, size=ROWS),
    )
    with pytest.raises(ArchiveError, match="cannot be read"):
        sweep(*given, chunk_events=50_000, settings={**LITTLE, "temp_directory": ""})
    (spilled,) = sweep(*given, chunk_events=50_000, settings={**LITTLE, "temp_directory": str(tmp_path)})
    (whole,) = sweep(*given)
    assert spilled.equals(whole)
    assert whole["sum"].null_count < ROWS
