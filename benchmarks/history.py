"""History through the offline store's sweep, beside DuckDB's range joins on the same archive.

1,000,000 events of 10,000 customers over 90 days with 100,000 spine rows, then ten times of each; 5 windows x 6
functions. The range joins compute the same 30 features, one join per window, of 50,000 spine rows of the larger case.
Each contender runs in a process of its own, whose peak memory is its own. Seconds are those of the computation; a whole
process with its start and imports is measured beside it. Values are compared before anything is reported.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.frame import Measurement
from rapport.archive import Archive, arrow_schema
from rapport.archive.sql import connect, relation
from rapport.bus.protocol import Position
from rapport.events.columns import COLUMNS
from rapport.feast.sweep import EventSource, sweep
from rapport.windows import Aggregation, Plan, View, compile_view

TOPIC = "purchase_events"
SPAN_US = 90 * 86_400_000_000
MINUTE_US = 60_000_000
WINDOWS_US = [
    (m * MINUTE_US, s * MINUTE_US) for m, s in ((60, 5), (360, 30), (1440, 120), (10_080, 720), (43_200, 1440))
]
FUNCTIONS = ("count", "sum", "mean", "min", "max", "std")


@dataclass(frozen=True)
class Task:
    """One measured run: the archive, the spine's size, and the contender."""

    archive: str
    customers: int
    spine: int
    contender: str


def plan() -> Plan:
    aggregations = tuple(
        Aggregation(f"{function}_{window // MINUTE_US}m", function, "amount_micros", window, slide)
        for window, slide in WINDOWS_US
        for function in FUNCTIONS
    )
    return compile_view(View("purchases", COLUMNS[TOPIC], aggregations))


def fill(folder: Path, events: int, customers: int) -> None:
    """Events in order of time, as a stream writes them, in batches of 200,000."""
    chance, archive = np.random.default_rng(1), Archive(folder)
    schema = arrow_schema(TOPIC)
    times = np.sort(chance.integers(SPAN_US, size=events))
    for start in range(0, events, 200_000):
        part = times[start : start + 200_000]
        given: dict[str, Any] = {
            "event_id": [f"e{start + i}" for i in range(len(part))],
            "customer_id": [f"c{i}" for i in chance.integers(customers, size=len(part))],
            "event_time": part,
            "amount_micros": chance.integers(1_000_000_000, size=len(part)),
            "order_id": [f"o{i}" for i in chance.integers(events, size=len(part))],
        }
        columns = [pa.array(given.get(f.name, [None] * len(part)), f.type) for f in schema]
        archive.append(TOPIC, pa.table(columns, schema=schema), writer="w", position=Position(start + 1, 0))


def spine_of(
    customers: int, rows: int
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    drawn = np.random.default_rng(2).random((rows, 2))
    return (drawn[:, 0] * customers).astype(np.int64), (drawn[:, 1] * SPAN_US).astype(np.int64)


def by_sweep(task: Task) -> pa.Table:
    codes, as_of = spine_of(task.customers, task.spine)
    keys = pd.Index([f"c{i}" for i in range(task.customers)])
    with Archive(Path(task.archive)).snapshot(TOPIC) as snapshot:
        source = EventSource(TOPIC, relation(snapshot, arrow_schema(TOPIC)), "customer_id", "event_time")
        return sweep(source, [plan()], codes, keys, as_of)[0]


def by_joins(task: Task) -> pa.Table:
    codes, as_of = spine_of(task.customers, task.spine)
    spine = pa.table({"row": np.arange(task.spine), "who": [f"c{i}" for i in codes], "as_of": as_of})
    source = Archive(Path(task.archive)).sql_source(TOPIC)
    with connect() as connection:
        connection.register("spine", spine)
        events = f"SELECT customer_id, epoch_us(event_time) AS t, amount_micros AS x FROM {source}"
        connection.execute(f"CREATE TEMP TABLE events AS {events}")
        out = spine.select(["row"])
        for window, slide in WINDOWS_US:
            values = connection.sql(_join(window, slide)).to_arrow_table()
            for name in values.column_names[1:]:
                out = out.append_column(name, values[name])
        return out


def _join(window: int, slide: int) -> str:
    label = f"{window // MINUTE_US}m"
    return f"""
        SELECT s.row, count(x) AS count_{label}, CAST(coalesce(sum(x), 0) AS BIGINT) AS sum_{label},
            avg(x) AS mean_{label}, min(x) AS min_{label}, max(x) AS max_{label}, stddev_samp(x) AS std_{label}
        FROM spine s LEFT JOIN events e ON e.customer_id = s.who AND e.t <= s.as_of
            AND e.t >= CAST(floor((s.as_of - {window}) / {slide}) AS BIGINT) * {slide}
        GROUP BY s.row ORDER BY s.row"""


@dataclass(frozen=True)
class Result:
    """Seconds of wall clock and of processor time, peak memory, and the features."""

    seconds: float
    cpu_s: float
    peak_mb: float
    table: pa.Table


def run(task: Task) -> Result:
    """The second of two runs, so that compiled code is loaded."""
    work = {"sweep": by_sweep, "joins": by_joins}[task.contender]
    if task.contender == "sweep":
        work(Task(task.archive, 10, 10, task.contender))
    begun, cpu = time.perf_counter(), time.process_time()
    table = work(task)
    seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    return Result(seconds, cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, table)


def compare(full: pa.Table, part: pa.Table) -> None:
    """Where the sweep calls a customer missing all is null; the joins say 0 for counts and sums there."""
    for name in part.column_names[1:]:
        mine = full[name].slice(0, part.num_rows).to_pandas().astype(float).to_numpy()
        theirs = part[name].to_pandas().astype(float).to_numpy()
        known = ~full["__status__"].slice(0, part.num_rows).to_numpy().astype(bool)
        np.testing.assert_allclose(mine[known], theirs[known], rtol=1e-9, err_msg=name)


def measured(task: Task) -> tuple[Result, float]:
    """A run in a process of its own, and the seconds of that whole process."""
    begun = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return pool.apply(run, (task,)), time.perf_counter() - begun


def measure(quick: bool) -> list[Measurement]:
    sizes = [(100_000, 1_000, 10_000)] if quick else [(1_000_000, 10_000, 100_000), (10_000_000, 100_000, 1_000_000)]
    return [measurement for size in sizes for measurement in of_size(*size)]


def of_size(events: int, customers: int, rows: int) -> list[Measurement]:
    joined = min(rows, 50_000) if rows > 100_000 else rows
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), events, customers)
        mine, whole_s = measured(Task(folder, customers, rows, "sweep"))
        theirs, _ = measured(Task(folder, customers, joined, "joins"))
    compare(mine.table, theirs.table)
    note = (
        f"{events:,} events of {customers:,} customers, {rows:,} spine rows ({joined:,} for the joins), 5 windows x 6 "
        f"functions; values are equal; {mine.seconds:.1f} s, of which the processors worked {mine.cpu_s:.1f} s; with "
        f"start, imports and the result's way back {whole_s:.1f} s"
    )
    peer, size = "DuckDB range joins", f"{events // 1_000:,}k events"
    return [
        Measurement(
            name=f"spine rows of 30 features, {size}", unit="rows/s", value=rows / mine.seconds, peer=peer,
            peer_value=joined / theirs.seconds, note=note,
        ),
        Measurement(
            name=f"peak memory, {size}", unit="MB", value=mine.peak_mb, better="lower", peer=peer,
            peer_value=theirs.peak_mb, note=note,
        ),
    ]  # fmt: skip
