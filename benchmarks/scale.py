"""Cost per event and per read, and the writer's memory, from 10,000 to 1,000,000 customers in the store: flat?

Clicks, two views over them, one or two events per customer, batches of 4,000, the writer with the cache it has by
default. The store grows from size to size; at each, the same number of events is written and of customers read, each
chosen evenly (none of them in the cache, as a rule) or as in life (Zipf 1.1 over all customers). Writing and reading
are measured in a process of its own, whose memory is the client's; times are medians of rounds.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import psutil

from benchmarks.frame import Measurement
from benchmarks.online_world import NOW_US, Batch, World, batches, world, zipf
from rapport.feast.catalog import plans_by_topic
from rapport.online import OnlineReader, OnlineWriter, WindowedView, warm_up
from rapport.windows import Plan

__all__ = ["measure"]

TOPIC = "customer_clicks"
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
BATCH = 4_000
ROUNDS = 5
READS = 400


@dataclass(frozen=True, slots=True)
class _Store:
    """The store as it grows: who writes, who reads, and at which position the next event comes."""

    place: World
    plans: list[Plan]
    writer: OnlineWriter
    reader: OnlineReader
    positions: count[int]

    def batches(self, customers: Sequence[int]) -> list[Batch]:
        first = next(self.positions) * 100_000_000
        return batches(TOPIC, self.plans, customers, BATCH, first=first)

    def write(self, parts: Sequence[Batch]) -> float:
        """Seconds that the writer took."""
        started = time.perf_counter()
        for part in parts:
            self.writer.apply(part.customers, part.positions, 0, part.events)
        return time.perf_counter() - started


def measure(quick: bool) -> list[Measurement]:
    """Microseconds per event, milliseconds per read and megabytes, at each size."""
    sizes = [size for size in SIZES if not quick or size <= 100_000]
    with world() as place:
        plans = plans_by_topic(place.store)[TOPIC]
        warm_up(plans)
        project = place.store.project
        views = [WindowedView(plan, plan.names) for plan in plans]
        reader = OnlineReader(project, views, client=place.client)
        store = _Store(place, plans, OnlineWriter(place.client, project, plans), reader, count(1))
        found, have = [], 0
        for size in sizes:
            _grow(store, have, size)
            have = size
            found += _at(store, size, 20_000 if quick else 40_000)
    return found


def _grow(store: _Store, have: int, size: int) -> None:
    """One event for each new customer, a piece at a time."""
    for first in range(have, size, 50_000):
        store.write(store.batches(range(first, min(size, first + 50_000))))


def _at(store: _Store, size: int, events: int) -> list[Measurement]:
    shapes = {
        "uniform": lambda seed: np.random.default_rng(seed).integers(size, size=events).tolist(),
        "Zipf": lambda seed: np.random.default_rng(seed).permutation(zipf(events, size)).tolist(),
    }
    found = []
    for name, draw in shapes.items():
        samples = []
        for turn in range(ROUNDS):
            parts = store.batches(draw(turn))
            gc.collect()
            samples.append(store.write(parts) / events * 1e6)
        found.append(_point("us per event", name, size, samples))
    for many in (1, 100):
        samples = _reads(store.reader, size, many, READS if many == 1 else READS // 4)
        found.append(_point("ms per read", f"{many} customer{'s' if many > 1 else ''}", size, samples))
    memory = psutil.Process().memory_info().rss / 2**20
    found.append(_point("MB of the writer's process", "", size, [memory]))
    used = int(store.place.client.info("memory")["used_memory"]) / size  # type: ignore[index]
    found.append(_point("bytes per customer in Redis", "", size, [used]))
    return found


def _reads(reader: OnlineReader, size: int, many: int, times: int) -> list[float]:
    chosen = np.random.default_rng(size).integers(size, size=(times + 20, many)).tolist()
    asked = iter([[f"customer{number}" for number in row] for row in chosen])
    read: Callable[[], object] = lambda: reader.read(next(asked), NOW_US)  # noqa: E731
    for _ in range(20):
        read()
    samples = []
    for _ in range(times):
        started = time.perf_counter_ns()
        read()
        samples.append((time.perf_counter_ns() - started) / 1e6)
    return samples


def _point(unit: str, series: str, size: int, samples: Sequence[float]) -> Measurement:
    return Measurement(
        name=f"{series or unit}, {size:,} customers in the store",
        unit=unit,
        value=statistics.median(samples),
        p99=float(np.percentile(samples, 99)) if len(samples) > 20 else None,
        samples=len(samples),
        better="lower",
        series=series or "all",
        x=float(size),
        x_unit="customers in the store",
    )
