"""Cost per event and per read, and the writer's memory, from 10,000 to 1,000,000 customers in the store: flat?

Clicks, two views over them, batches of 4,000, the writer with the cache that it has by default. The store grows from
size to size by copies of real rows of one or two events; at each size the same number of events is written and of
customers read, chosen evenly (few of them in the cache of the writer, when there are many) or as in life (Zipf 1.1 over
all customers). Cost is time of the processor, that of the client and that of Redis, which other work on the machine
disturbs least; times by the clock, medians, stand beside it. Beside it stands also what Redis takes for a bare HMGET
and HSET of the same fields of the same customers. While Redis rewrites its append-only file, every first write to a
page of memory costs a copy of the page: that is waited for.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import psutil

from benchmarks.frame import Measurement
from benchmarks.online_world import NOW_US, Batch, World, batches, world, zipf
from rapport.bus.protocol import Position
from rapport.feast.catalog import plans_by_topic
from rapport.online import OnlineReader, OnlineWriter, WindowedView, warm_up
from rapport.online.keys import KeyMaker
from rapport.windows import Events, Plan

__all__ = ["measure"]

TOPIC = "customer_clicks"
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
BATCH = 4_000
EVENTS = 8_000
ROUNDS = 5
READS = 400
_COPY = """
local fields = redis.call('HGETALL', KEYS[1])
for i = 2, #KEYS do redis.call('HSET', KEYS[i], unpack(fields)) end
"""


@dataclass(slots=True)
class _Store:
    """The store as it grows: who writes, who reads, and at which position the next event comes."""

    place: World
    writer: OnlineWriter
    reader: OnlineReader
    pattern: Events
    """BATCH random events: those of every batch."""
    keys: KeyMaker
    size: int = 0
    turns: count[int] = field(default_factory=lambda: count(1))

    def batches(self, customers: Sequence[int]) -> list[Batch]:
        """An event for each customer, whose number is a multiple of BATCH, at positions after all others."""
        first, made = next(self.turns) * 100_000_000, []
        for at in range(0, len(customers), BATCH):
            part = customers[at : at + BATCH]
            positions = [Position(first + at + n, 0) for n in range(len(part))]
            made.append(Batch([f"customer{number}" for number in part], positions, self.pattern))
        return made

    def grow(self, size: int) -> None:
        """More customers: the first BATCH are written, all others are copies of their rows."""
        if not self.size:
            for part in self.batches(range(BATCH)):
                self.writer.apply(part.customers, part.positions, 0, part.events)
            self.size = BATCH
        copy = self.place.client.register_script(_COPY)
        for first in range(self.size, size, 1_000):
            new = range(first, min(size, first + 1_000))
            copy(keys=self.keys.keys([f"customer{n}" for n in (first % BATCH, *new)]))
        self.size = size
        while any(
            self.place.client.info("persistence")[f"aof_rewrite_{what}"] for what in ("in_progress", "scheduled")
        ):
            time.sleep(0.1)

    def redis_cpu_s(self) -> float:
        """Seconds of the processor that Redis has used."""
        used = self.place.client.info("cpu")
        return float(used["used_cpu_user"] + used["used_cpu_sys"])


def measure(quick: bool) -> list[Measurement]:
    """Microseconds per event and per read, and megabytes, at each size."""
    found: list[Measurement] = []
    with world() as place:
        plans = plans_by_topic(place.store)[TOPIC]
        warm_up(plans)
        store = _store(place, plans)
        for size in SIZES:
            if not quick or size <= 100_000:
                store.grow(size)
                found += [*_writes(store), *_reads(store), *_memory(store)]
    return found


def _store(place: World, plans: list[Plan]) -> _Store:
    project = place.store.project
    reader = OnlineReader(project, [WindowedView(plan, plan.names) for plan in plans], client=place.client)
    pattern = batches(TOPIC, plans, range(BATCH), BATCH)[0].events
    return _Store(place, OnlineWriter(place.client, project, plans), reader, pattern, KeyMaker(project))


def _writes(store: _Store) -> list[Measurement]:
    found = []
    for name in ("uniform keys", "Zipf keys"):
        cost, redis, clock, bare = [], [], [], []
        for turn in range(ROUNDS):
            random = np.random.default_rng(turn)
            uniform = random.integers(store.size, size=EVENTS).tolist()
            parts = store.batches(uniform if name.startswith("uni") else random.permutation(zipf(EVENTS, store.size)))
            gc.collect()
            redis_s, ours_s, started = store.redis_cpu_s(), time.process_time(), time.perf_counter()
            for part in parts:
                store.writer.apply(part.customers, part.positions, 0, part.events)
            clock.append((time.perf_counter() - started) / EVENTS * 1e6)
            ours_s = time.process_time() - ours_s
            redis.append((store.redis_cpu_s() - redis_s) / EVENTS * 1e6)
            cost.append(ours_s / EVENTS * 1e6 + redis[-1])
            bare.append(sum(_bare_s(store, part) for part in parts) / EVENTS * 1e6)
        found.append(_point("us of processor per event", name, store.size, cost))
        found.append(_point("us of processor per event", f"{name}, of that Redis", store.size, redis))
        found.append(_point("us of processor per event", f"{name}, Redis, bare HMGET and HSET", store.size, bare))
        found.append(_point("us per event", name, store.size, clock))
    return found


def _bare_s(store: _Store, part: Batch) -> float:
    """Seconds of the processor that Redis takes to give and to take all fields of a batch's customers."""
    keys = store.keys.keys(dict.fromkeys(part.customers))
    client = store.place.client
    fields = client.hkeys(keys[0])
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hmget(key, fields)
        redis_s = store.redis_cpu_s()
        rows = pipe.execute()
        for key, row in zip(keys, rows, strict=True):
            pipe.hset(key, mapping=dict(zip(fields, row, strict=True)))
        pipe.execute()
        return store.redis_cpu_s() - redis_s


def _reads(store: _Store) -> list[Measurement]:
    found = []
    for many, times in ((1, READS), (100, READS // 4)):
        chosen = np.random.default_rng(store.size).integers(store.size, size=(times + 20, many)).tolist()
        asked = [[f"customer{number}" for number in row] for row in chosen]
        for people in asked[times:]:
            store.reader.read(people, NOW_US)
        redis_s, ours_s, clock = store.redis_cpu_s(), time.process_time(), []
        for people in asked[:times]:
            started = time.perf_counter_ns()
            store.reader.read(people, NOW_US)
            clock.append((time.perf_counter_ns() - started) / 1e3 / many)
        cost = (time.process_time() - ours_s + store.redis_cpu_s() - redis_s) / times * 1e6 / many
        name = "1 customer a read" if many == 1 else f"{many} customers a read"
        found.append(_point("us of processor per customer read", name, store.size, [cost]))
        found.append(_point("us per customer read", name, store.size, clock))
    return found


def _memory(store: _Store) -> list[Measurement]:
    writer = psutil.Process().memory_info().rss / 2**20
    redis_bytes = int(store.place.client.info("memory")["used_memory"]) / store.size
    return [
        _point("MB of the writer's process", "", store.size, [writer]),
        _point("bytes of Redis per customer", "", store.size, [redis_bytes]),
    ]


def _point(unit: str, series: str, size: int, samples: Sequence[float]) -> Measurement:
    return Measurement(
        name=f"{series or 'all'}, {size:,} customers in the store",
        unit=unit,
        value=statistics.median(samples),
        samples=len(samples),
        better="lower",
        series=series or "all",
        x=float(size),
        x_unit="customers in the store",
    )
