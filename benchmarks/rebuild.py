"""The online store filled from the archive: 1,000,000 customers with 10 orders each, into the views over orders.

Each customer's row of each view is computed from the archive and written behind the fence. The peer is the floor of
its last step alone: an unfenced pipeline of HSETs that writes the same bytes, of 50,000 of the customers. The rebuild
runs in a process of its own: peak memory is its own, imports are not counted.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import redis

from benchmarks.frame import Measurement
from benchmarks.online_world import NOW_US, world
from rapport.archive import Archive, archive_writer, arrow_schema, with_source
from rapport.bus.protocol import Position
from rapport.online import Keeping, warm_up
from rapport.rebuild.lacking import Lacking
from rapport.rebuild.run import Rebuild, RebuildReport
from rapport.windows import Plan

__all__ = ["measure"]

TOPIC = "purchase_events"
EVENTS_EACH = 10
BATCH = 250_000
SPAN_US = 90 * 86_400_000_000


@dataclass(frozen=True)
class Task:
    """One rebuild: where Redis and the archive are, and the views."""

    url: str
    archive: str
    plans: list[Plan]


def fill(archive: Archive, customers: int) -> Position:
    """Orders in order of time, as a flow archives them; returns the position that they reach."""
    chance, count = np.random.default_rng(1), customers * EVENTS_EACH
    times = np.sort(NOW_US - chance.integers(SPAN_US, size=count))
    schema = arrow_schema(TOPIC)
    for start in range(0, count, BATCH):
        part = times[start : start + BATCH]
        numbers = pa.array(np.arange(start, start + len(part)))
        who = pa.array(chance.integers(customers, size=len(part)))
        given: dict[str, Any] = {
            "event_id": numbers.cast(pa.string()),
            "customer_id": who.cast(pa.string()),
            "event_time": pa.array(part).cast(schema.field("event_time").type),
            "amount_micros": pa.array(chance.integers(1_000_000_000, size=len(part))),
            "net_micros": pa.array(chance.integers(1_000_000_000, size=len(part))),
            "order_id": numbers.cast(pa.string()),
            "product_id": pa.array(chance.integers(5_000, size=len(part))).cast(pa.string()),
            "order_day": pa.array(part // 86_400_000_000),
        }
        table = pa.table([given.get(f.name, pa.nulls(len(part), f.type)) for f in schema], schema=schema)
        hi = np.arange(start, start + len(part)) + 1
        source = with_source(table, 0, hi, np.zeros_like(hi))
        archive.append(TOPIC, source, writer=archive_writer(0), position=Position(int(hi[-1]), 0))
    return Position(count, 0)


def rebuilt(task: Task) -> tuple[RebuildReport, float, float]:
    """The report, seconds, and peak MB."""
    warm_up(task.plans)
    with redis.Redis.from_url(task.url) as client:
        kept = Keeping(client, "bench").all()
        found = [Lacking(TOPIC, plan, kept[plan.view.name]) for plan in task.plans]
        begun = time.perf_counter()
        report = Rebuild(client, "bench", Archive(Path(task.archive))).run(found)
        seconds = time.perf_counter() - begun
    return report, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def hsets(client: redis.Redis, customers: int) -> float:
    """Customers per second of a pipeline that writes what is stored of some of them once more."""
    keys = list(islice(client.scan_iter(match=b"*customer_id*", count=5_000), customers))
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hgetall(key)
        rows = pipe.execute()
    begun = time.perf_counter()
    for start in range(0, len(keys), 2_000):
        with client.pipeline(transaction=False) as pipe:
            for key, row in zip(keys[start : start + 2_000], rows[start : start + 2_000], strict=True):
                pipe.hset(key, mapping=row)
            pipe.execute()
    return len(keys) / (time.perf_counter() - begun)


def measure(quick: bool) -> list[Measurement]:
    customers = 100_000 if quick else 1_000_000
    with (
        world() as place,
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool,
    ):
        from rapport.feast.catalog import plans_by_topic

        plans = plans_by_topic(place.store)[TOPIC]
        reached = fill(Archive(Path(folder)), customers)
        Keeping(place.client, "bench").begin(plans, {0: reached}, NOW_US + 1)
        report, seconds, peak_mb = pool.apply(rebuilt, (Task(place.url, folder, plans),))
        floor = hsets(place.client, 50_000)
    names = ", ".join(plan.view.name for plan in plans)
    note = (
        f"{report.written:,} customers, {report.events:,} events, {len(plans)} views ({names}), {seconds:.1f} s in all"
    )
    return [
        Measurement(
            name="rebuild from the archive", unit="customers/s", value=report.written / seconds,
            peer="unfenced HSETs of the same rows", peer_value=floor, note=note,
        ),
        Measurement(name="peak memory of a rebuild", unit="MB", value=peak_mb, better="lower", note=note),
    ]  # fmt: skip
