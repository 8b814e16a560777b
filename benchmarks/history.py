"""History through the offline store's sweep, beside DuckDB's range joins on the same archive.

1,000,000 events of 10,000 customers over 90 days, 100,000 spine rows, 5 windows x 6 functions. The range joins compute
the same 30 features, one join per window. Each contender runs in a process of its own: time and peak memory are its
own, imports are not counted. Values are compared before anything is reported.
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


def run(task: Task) -> tuple[float, float, pa.Table]:
    """Seconds, peak MB and the features; the second of two runs, so that compiled code is loaded."""
    work = {"sweep": by_sweep, "joins": by_joins}[task.contender]
    if task.contender == "sweep":
        work(Task(task.archive, 10, 10, task.contender))
    begun = time.perf_counter()
    table = work(task)
    return time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, table


def compare(full: pa.Table, part: pa.Table) -> None:
    """Where the sweep calls a customer missing all is null; the joins say 0 for counts and sums there."""
    for name in part.column_names[1:]:
        mine = full[name].slice(0, part.num_rows).to_pandas().astype(float).to_numpy()
        theirs = part[name].to_pandas().astype(float).to_numpy()
        known = ~full["__status__"].slice(0, part.num_rows).to_numpy().astype(bool)
        np.testing.assert_allclose(mine[known], theirs[known], rtol=1e-9, err_msg=name)


def measure(quick: bool) -> list[Measurement]:
    scale = 0.1 if quick else 1.0
    events, customers, rows = (int(n * scale) for n in (1_000_000, 10_000, 100_000))
    with (
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool,
    ):
        fill(Path(folder), events, customers)
        sweep_s, sweep_mb, mine = pool.apply(run, (Task(folder, customers, rows, "sweep"),))
        joins_s, joins_mb, theirs = pool.apply(run, (Task(folder, customers, rows, "joins"),))
    compare(mine, theirs)
    note = (
        f"{events:,} events of {customers:,} customers, {rows:,} spine rows, 5 windows x 6 functions; values are equal"
    )
    peer = "DuckDB range joins"
    return [
        Measurement(
            name="spine rows of 30 features", unit="rows/s", value=rows / sweep_s, peer=peer, peer_value=rows / joins_s,
            note=note,
        ),
        Measurement(
            name="peak memory", unit="MB", value=sweep_mb, better="lower", peer=peer, peer_value=joins_mb, note=note
        ),
    ]  # fmt: skip
