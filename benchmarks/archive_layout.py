"""How the archive's tables are laid out: one folder, by month, by day, each joined as it comes or sorted by customer.

    python -m benchmarks.archive_layout [--batches 400] [--rows 5000] [--customers 5000]

A year of clicks is appended in order of time, one event in a hundred up to ten days late; small files are joined
halfway and at the end, as the archive does it. Then each layout is asked what the archive is asked: to give everything
sorted by customer (history, rebuild), one week, one customer; to delete one customer; and to drop what is older than
305 days. Every form has its own folder, and the forms take turns in one run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, WriterProperties, write_deltalake

from rapport.archive import arrow_schema

TOPIC = "customer_clicks"
DAY_US = 86_400_000_000
YEAR_US = 365 * DAY_US
WRITER = WriterProperties(compression="ZSTD", compression_level=1)
TARGET_BYTES = 64 * 1024 * 1024


@dataclass
class Layout:
    """A Delta table in a folder, its rows apart by a text of their time (None: together)."""

    name: str
    by: str | None
    sort: bool
    folder: str = field(default="", init=False)

    def create(self, folder: str) -> None:
        self.folder = folder
        schema = arrow_schema(TOPIC)
        if self.by:
            schema = schema.append(pa.field("period", pa.string()))
        DeltaTable.create(
            folder,
            schema,
            partition_by=["period"] if self.by else None,
            configuration={"delta.dataSkippingStatsColumns": "event_time", "delta.checkpointInterval": "50"},
        )

    def append(self, rows: pa.Table) -> None:
        if self.by:
            rows = rows.append_column("period", pc.strftime(rows["event_time"], format=self.by))
        write_deltalake(DeltaTable(self.folder), rows, mode="append", writer_properties=WRITER)

    def compact(self) -> None:
        optimize = DeltaTable(self.folder).optimize
        if self.sort:
            optimize.z_order(["customer_id"], target_size=TARGET_BYTES, writer_properties=WRITER)
        else:
            optimize.compact(target_size=TARGET_BYTES, writer_properties=WRITER)

    def files(self) -> list[str]:
        return DeltaTable(self.folder).file_uris()

    def delete(self, predicate: str) -> None:
        DeltaTable(self.folder).delete(predicate, writer_properties=WRITER)

    def retain(self, first_us: int) -> None:
        first = pa.scalar(first_us, pa.timestamp("us", "UTC"))
        if self.by:
            self.delete(f"period < '{pc.strftime(first, format=self.by).as_py()}'")
        self.delete(f"event_time < arrow_cast({first_us}, 'Timestamp(Microsecond, Some(\"UTC\"))')")


def batch(number: int, batches: int, count: int, customers: int, chance: np.random.Generator) -> pa.Table:
    """Clicks of one batch; event times go through a year over the batches."""
    schema = arrow_schema(TOPIC)
    start = number * YEAR_US // batches
    late = (chance.random(count) < 0.01) * chance.integers(10 * DAY_US, size=count)
    times = np.maximum(start + chance.integers(YEAR_US // batches, size=count) - late, 0)
    given: dict[str, Any] = {
        "event_id": [f"e{number}-{i}" for i in range(count)],
        "customer_id": [f"c{i}" for i in chance.integers(customers, size=count)],
        "event_time": times,
        "arrival_time": times,
        "action": ["view"] * count,
        "product_id": [f"p{i}" for i in chance.integers(5_000, size=count)],
        "view": [True] * count,
        "price_micros": chance.integers(10**9, size=count),
    }
    columns = [pa.array(given.get(f.name, [None] * count), f.type) for f in schema]
    return pa.table(columns, schema=schema)


def timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1e3


def ask(layout: Layout, where: str, order: str = "") -> float:
    source = f"read_parquet({layout.files()!r}, hive_partitioning = false)"
    text = f"SELECT customer_id, epoch_us(event_time) AS t, product_id, price_micros FROM {source} {where} {order}"
    return statistics.median(timed(lambda: duckdb.sql(text).to_arrow_table()) for _ in range(3))


def measured(layout: Layout, tables: list[pa.Table]) -> list[str]:
    appends, joins = [], []
    with tempfile.TemporaryDirectory() as folder:
        layout.create(folder)
        for number, table in enumerate(tables, 1):
            appends.append(timed(lambda table=table: layout.append(table)))  # type: ignore[misc]
            if number == len(tables) // 2:
                joins.append(timed(layout.compact))
        before = len(layout.files())
        joins.append(timed(layout.compact))
        files = layout.files()
        size = sum(Path(path).stat().st_size for path in files) / 1e6
        cells = [
            ask(layout, "", "ORDER BY customer_id, t"),
            ask(layout, f"WHERE event_time >= make_timestamptz({200 * DAY_US}) "
                        f"AND event_time < make_timestamptz({207 * DAY_US})"),
            ask(layout, "WHERE customer_id = 'c17'"),
            timed(lambda: layout.delete("customer_id = 'c1'")),
            timed(lambda: layout.retain(60 * DAY_US)),
        ]  # fmt: skip
    appends.sort()
    head = [statistics.median(appends), appends[int(len(appends) * 0.99)]]
    counts = [f"{before}", f"{len(files)}", f"{size:.0f}"]
    return [layout.name, *(f"{c:.0f}" for c in head), *counts, *(f"{c:.0f}" for c in [*joins, *cells])]


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compare layouts of the archive's tables; milliseconds of processor time."
    )
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--customers", type=int, default=5_000)
    given = parser.parse_args()
    chance = np.random.default_rng(1)
    tables = [batch(n, given.batches, given.rows, given.customers, chance) for n in range(given.batches)]
    header = (
        "layout | append p50 | p99 | files before | after | MB | first join | second | all, sorted | a week | "
        "a customer | delete one | retain 305 days"
    )
    print(
        f"{given.batches} batches of {given.rows} rows, {given.customers} customers; milliseconds of processor time\n"
    )
    print(f"| {header} |\n|{'---|' * (header.count('|') + 1)}")
    for layout in (
        Layout("one folder", None, False),
        Layout("one folder, sorted", None, True),
        Layout("by month", "%Y-%m", False),
        Layout("by month, sorted", "%Y-%m", True),
        Layout("by day", "%Y-%m-%d", False),
    ):
        print(f"| {' | '.join(measured(layout, tables))} |", flush=True)


if __name__ == "__main__":
    main()
