"""What the archive is made of: Delta, or plain Parquet, on the same batches. (Layouts of Delta: archive_layout.py.)

    python benchmarks/archive_choice.py [--batches 190] [--customers 2000]

Every form keeps the promise that counts: a batch and its position become visible together. Plain Parquet does it by
renaming one file per batch whose name is the position. Batches have 5,000 clicks over 30 days of event time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rapport.archive import Archive, arrow_schema
from rapport.bus.protocol import Position

TOPIC = "customer_clicks"
ROWS = 5_000
DAY_US = 86_400_000_000


class Form(Protocol):
    """One way to keep events on disk."""

    name: str

    def append(self, number: int, rows: pa.Table) -> None: ...
    def files(self) -> list[str]: ...
    def delete(self, customer: str) -> None: ...
    def compact(self) -> None: ...


class Delta:
    """Rapport's archive as it is."""

    name = "Delta (Rapport's archive)"

    def __init__(self, folder: Path) -> None:
        self._archive = Archive(folder)

    def append(self, number: int, rows: pa.Table) -> None:
        self._archive.append(TOPIC, rows, writer="w", position=Position(number, 0))

    def files(self) -> list[str]:
        with self._archive.snapshot(TOPIC) as snapshot:
            return [str(path) for path in snapshot.files]

    def delete(self, customer: str) -> None:
        self._archive.delete_customer(customer)

    def compact(self) -> None:
        self._archive.compact(TOPIC)


class Plain:
    """One Parquet file per batch, named by its position."""

    name = "Parquet, a file per batch"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)

    def append(self, number: int, rows: pa.Table) -> None:
        if max((int(path.stem) for path in self._folder.glob("*.parquet")), default=0) < number:
            self._write(self._folder / f"{number:020}.parquet", rows)

    def files(self) -> list[str]:
        return [str(path) for path in self._folder.glob("*.parquet")]

    def delete(self, customer: str) -> None:
        for path in map(Path, self.files()):
            table = pq.read_table(path)
            kept = table.filter(pc.not_equal(table["customer_id"], customer))
            if len(kept) < len(table):
                self._write(path, kept)

    def compact(self) -> None:
        paths = sorted(map(Path, self.files()))
        self._write(paths[-1], pa.concat_tables([pq.read_table(path) for path in paths]))
        for path in paths[
            :-1
        ]:  # a reader or a crash between the two lines above sees rows twice: Delta has a log for this
            path.unlink()

    def _write(self, path: Path, rows: pa.Table) -> None:
        temporary = path.with_suffix(".writing")
        with temporary.open("wb") as sink:
            pq.write_table(rows, sink, compression="zstd")
            os.fsync(sink.fileno())
        temporary.replace(path)


def batch(number: int, batches: int, customers: int, chance: np.random.Generator) -> pa.Table:
    """5,000 clicks; event times advance through 30 days over the batches."""
    schema = arrow_schema(TOPIC)
    start = number * 30 * DAY_US // batches
    columns: dict[str, object] = {
        "event_id": [f"e{number}-{i}" for i in range(ROWS)],
        "customer_id": [f"c{i}" for i in chance.integers(customers, size=ROWS)],
        "event_time": start + chance.integers(3_600_000_000, size=ROWS),
        "arrival_time": start + chance.integers(3_600_000_000, size=ROWS),
        "action": ["view"] * ROWS,
        "product_id": [f"p{i}" for i in chance.integers(5_000, size=ROWS)],
        "view": [True] * ROWS,
        "price_micros": chance.integers(10**9, size=ROWS),
    }
    arrays = [pa.array(columns.get(f.name, [None] * ROWS), f.type) for f in schema]
    return pa.table(arrays, schema=schema)


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def read_all(form: Form) -> None:
    columns = "customer_id, epoch_us(event_time) AS t, product_id, price_micros"
    source = f"read_parquet({form.files()!r}, hive_partitioning = false)"
    duckdb.sql(f"SELECT {columns} FROM {source} ORDER BY customer_id, t").to_arrow_table()


def read_one_day(form: Form) -> None:
    source = f"read_parquet({form.files()!r}, hive_partitioning = false)"
    where = f"epoch_us(event_time) BETWEEN {14 * DAY_US} AND {15 * DAY_US}"
    duckdb.sql(f"SELECT customer_id, product_id FROM {source} WHERE {where}").to_arrow_table()


def table_row(form: Form, tables: Sequence[pa.Table]) -> list[str]:
    appends = sorted(timed(lambda n=n, t=t: form.append(n, t)) for n, t in enumerate(tables, 1))  # type: ignore[misc]
    files = len(form.files())
    reads = statistics.median(timed(lambda: read_all(form)) for _ in range(3))
    day = statistics.median(timed(lambda: read_one_day(form)) for _ in range(3))
    first = timed(lambda: form.delete("c1"))
    joined = timed(form.compact)
    reads_after = statistics.median(timed(lambda: read_all(form)) for _ in range(3))
    second = timed(lambda: form.delete("c2"))
    cells = [
        statistics.median(appends),
        appends[int(len(appends) * 0.99) - 1],
        reads,
        day,
        first,
        joined,
        reads_after,
        second,
    ]
    return [form.name, str(files), *(f"{cell * 1e3:.0f}" for cell in cells)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare forms of the event archive; times in milliseconds.")
    parser.add_argument("--batches", type=int, default=190)
    parser.add_argument("--customers", type=int, default=2_000)
    arguments = parser.parse_args()
    chance = np.random.default_rng(1)
    tables = [batch(n, arguments.batches, arguments.customers, chance) for n in range(arguments.batches)]
    print(f"{arguments.batches} batches of {ROWS} rows, {arguments.customers} customers; milliseconds\n")
    header = (
        "form | files | append p50 | p99 | read all, sorted | read a day | delete one | compact | read all | delete one"
    )
    print(f"| {header} |\n|{'---|' * (header.count('|') + 1)}")
    for make in (Delta, Plain):
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {' | '.join(table_row(make(Path(folder) / 'archive'), tables))} |", flush=True)


if __name__ == "__main__":
    main()
