"""Events into the online store, against an unfenced pipeline of HSETs that writes the same rows.

Clicks, two views over them, batches of 8,000: uniform over 100,000 customers (every event another row, none in the
cache), and as in life (Zipf), where many events of a batch fall on one row. Both are read beside redis-py's pipeline of
the rows of uniform keys, and both sides take turns. Small batches, of customers none of whom is in the cache, stand
beside redis-py's HMGETs and then HSETs of the same bytes. The cluster has three nodes on this machine, which share its
cores.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.frame import Measurement, compared, latencies_ms, spread
from benchmarks.online_world import NOW_US, Batch, World, batches, world, zipf
from rapport.bus.protocol import Position
from rapport.clock import from_us
from rapport.feast.catalog import plans_by_topic
from rapport.online import WRITE_TIMEOUT_S, OnlineWriter, connect, warm_up_writing
from rapport.online.keys import KeyMaker
from rapport.settings import Settings
from rapport.testing.redis_cluster import redis_cluster
from rapport.windows import Plan

__all__ = ["measure"]

TOPIC = "customer_clicks"
BATCH = 8_000
CUSTOMERS = 100_000
ROUNDS = 5
SMALL = (1, 10, 50)
Rows = dict[str, dict[bytes, bytes]]


def measure(quick: bool) -> list[Measurement]:
    """Events per second of the writer, and the time of one event beside Feast's push of one row."""
    count = 20_000 if quick else 100_000
    with world() as place:
        plans = plans_by_topic(place.store)[TOPIC]
        warm_up_writing(plans)
        found = _events_per_second(place.client, plans, count, zipfian=True)
        found.append(_one_event(place, plans, 200 if quick else 1_000))
        found += [_small_batch(place, plans, size, 200 if quick else 1_000) for size in SMALL]
    with tempfile.TemporaryDirectory(prefix="rapport-") as name, redis_cluster(Path(name)) as cluster:
        settings = Settings(root=Path(name), data_dir=Path(name), store_url=cluster.url)
        with connect(settings, timeout_s=WRITE_TIMEOUT_S) as client:
            found += _events_per_second(client, plans, count // 2, zipfian=False)
    return found


@dataclass(slots=True)
class _Turns:
    """Samples of events per second, and processor seconds of this process for 100,000 events."""

    rates: list[float] = field(default_factory=list)
    client_s: list[float] = field(default_factory=list)

    def take(self, work: Callable[[], int]) -> None:
        gc.collect()
        started, busy = time.perf_counter(), time.process_time()
        done = work()
        self.client_s.append((time.process_time() - busy) * 100_000 / done)
        self.rates.append(done / (time.perf_counter() - started))

    def measurement(self, name: str) -> Measurement:
        note = f"{statistics.median(self.client_s):.2f} s of the client's processor for 100,000 events"
        return Measurement(
            name=name, unit="events/s", value=statistics.median(self.rates), samples=len(self.rates), note=note
        )


def _events_per_second(client: Any, plans: list[Plan], count: int, *, zipfian: bool) -> list[Measurement]:
    client.flushall() if not zipfian else client.flushdb()
    where = "" if zipfian else " of a three-node cluster"
    uniform = [number % CUSTOMERS for number in range(count)]
    rows = _rows(client, plans, uniform)
    ours, heavy, theirs = _Turns(), _Turns(), _Turns()
    for number in range(1, ROUNDS + 1):
        ours.take(_writing(client, plans, uniform, number))
        theirs.take(_hsets(client, rows))
        if zipfian:
            heavy.take(_writing(client, plans, zipf(count, CUSTOMERS), number + ROUNDS))
    peer = theirs.measurement(f"redis-py's pipeline of unfenced HSETs of the rows of uniform keys{where}")
    found = [compared(ours.measurement(f"fenced update of two views{where}, uniform keys"), peer)]
    if zipfian:
        found.append(compared(heavy.measurement("fenced update of two views, Zipf keys"), peer))
    return found


def _writing(client: Any, plans: list[Plan], customers: list[int], number: int) -> Callable[[], int]:
    # Positions rise from turn to turn, or the rows would skip what they have seen.
    parts = batches(TOPIC, plans, customers, BATCH, first=number * 10_000_000)

    def work() -> int:
        writer = OnlineWriter(client, "bench", plans)
        return sum(writer.apply(part.customers, part.positions, 0, part.events).events for part in parts)

    return work


def _rows(client: Any, plans: list[Plan], customers: list[int]) -> list[Rows]:
    """The hashes that a writer leaves, by batch."""
    parts = batches(TOPIC, plans, customers, BATCH)
    writer = OnlineWriter(client, "floor", plans)
    for part in parts:
        writer.apply(part.customers, part.positions, 0, part.events)
    return [_stored(client, part) for part in parts]


def _stored(client: Any, part: Batch) -> Rows:
    keys = KeyMaker("floor")
    people = list(dict.fromkeys(part.customers))
    with client.pipeline(transaction=False) as pipe:
        for who in people:
            pipe.hgetall(keys.key(who))
        return dict(zip(people, pipe.execute(), strict=True))


def _hsets(client: Any, parts: Sequence[Rows]) -> Callable[[], int]:
    keys = KeyMaker("floor")

    def work() -> int:
        for rows in parts:
            with client.pipeline(transaction=False) as pipe:
                for who, row in rows.items():
                    pipe.hset(keys.key(who), mapping=row)
                pipe.execute()
        return sum(map(len, parts))

    return work


def _one_event(place: World, plans: list[Plan], times: int) -> Measurement:
    import pandas as pd

    writer = OnlineWriter(place.client, "bench", plans)
    event = batches(TOPIC, plans, [1], 1)[0].events
    position: Iterator[int] = iter(range(10**9, 10**10))
    mine = latencies_ms(lambda: writer.apply(["customer1"], [Position(next(position), 0)], 0, event), times=times)
    second = iter(range(10**6))

    def push() -> None:
        moment = from_us(NOW_US + next(second) * 1_000_000)
        row = {"customer_id": ["c"], "event_time": [moment], "tier": ["gold"], "locale": ["de"], "signup_day": [1]}
        place.store.push("profile_push", pd.DataFrame({**row, "personalization_consent": [True]}))

    theirs = latencies_ms(push, times=times // 5, warm=3)
    ours = spread("one event into two views", "ms", mine)
    return compared(ours, spread("Feast's push of one row into one view", "ms", theirs))


def _small_batch(place: World, plans: list[Plan], size: int, times: int) -> Measurement:
    """The time of a batch, in turns with the same bytes read and written without a look at them."""
    writer = OnlineWriter(place.client, "small", plans, cache_rows=0)
    (batch,) = batches(TOPIC, plans, range(size), size)
    first = iter(range(1, 10**9))

    def ours() -> None:
        hi = next(first)
        positions = [Position(hi, lo) for lo in range(1, size + 1)]
        writer.apply(batch.customers, positions, 0, batch.events)

    ours()
    maker = KeyMaker("small")
    keys = [maker.key(who) for who in batch.customers]
    rows = [place.client.hgetall(key) for key in keys]

    def bare() -> None:
        with place.client.pipeline(transaction=False) as pipe:
            for key, row in zip(keys, rows, strict=True):
                pipe.hmget(key, row)
            pipe.execute()
            for key, row in zip(keys, rows, strict=True):
                pipe.hset(key, mapping=row)
            pipe.execute()

    mine, theirs = list[float](), list[float]()
    for _ in range(10):
        mine += latencies_ms(ours, times=times // 10, warm=5)
        theirs += latencies_ms(bare, times=times // 10, warm=5)
    name = f"{size} event{'s' if size > 1 else ''}, rows that have to be loaded"
    return compared(
        spread(name, "ms", mine), spread(f"redis-py's HMGET, then HSET, of these rows, {size}", "ms", theirs)
    )
