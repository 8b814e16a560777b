"""Events into the online store, against an unfenced pipeline of HSETs that writes the same rows.

Clicks, two views over them, batches of 4,000: uniform over 50,000 customers (every event another row, none in the
cache), and as in life (Zipf), where many events of a batch fall on one row.
"""

from __future__ import annotations

from collections.abc import Sequence

import redis

from benchmarks.frame import Measurement, compared, latencies_ms, rate, spread
from benchmarks.online_world import NOW_US, Batch, World, batches, world, zipf
from rapport.bus.protocol import Position
from rapport.clock import from_us
from rapport.feast.catalog import plans_by_topic
from rapport.online import OnlineWriter, warm_up
from rapport.online.keys import KeyMaker
from rapport.windows import Plan

__all__ = ["measure"]

TOPIC = "customer_clicks"
BATCH = 4_000
CUSTOMERS = 50_000


def measure(quick: bool) -> list[Measurement]:
    """Events per second of the writer, and the time of one event beside Feast's push of one row."""
    count = 20_000 if quick else 100_000
    with world() as place:
        plans = plans_by_topic(place.store)[TOPIC]
        warm_up(plans)
        shapes = {
            "uniform keys": [number % CUSTOMERS for number in range(count)],
            "Zipf keys": zipf(count, CUSTOMERS),
        }
        found = [_events_per_second(place, plans, name, keys) for name, keys in shapes.items()]
        return [*found, _one_event(place, plans, 200 if quick else 1_000)]


def _events_per_second(place: World, plans: list[Plan], name: str, customers: list[int]) -> Measurement:
    place.client.flushdb()
    turn = iter(range(1, 1_000))

    def ours() -> int:
        parts = given[next(turn)]
        writer = OnlineWriter(place.client, "bench", plans)
        return sum(writer.apply(part.customers, part.positions, 0, part.events).events for part in parts)

    # Positions rise from run to run, or the rows would skip what they have seen.
    given = {run: batches(TOPIC, plans, customers, BATCH, first=run * 10_000_000) for run in range(1, 6)}
    mine = rate(f"fenced update of two views, {name}", "events/s", ours, repeat=5)
    rows = _stored(place.client, given[1])
    floor = rate(
        "pipeline of unfenced HSETs of the same rows", "events/s", lambda: _hsets(place.client, given[1], rows)
    )
    return compared(mine, floor)


def _stored(client: redis.Redis, parts: Sequence[Batch]) -> dict[str, dict[bytes, bytes]]:
    keys = KeyMaker("bench")
    people = {who for part in parts for who in part.customers}
    return {who: client.hgetall(keys.key(who)) for who in people}  # type: ignore[misc]


def _hsets(client: redis.Redis, parts: Sequence[Batch], rows: dict[str, dict[bytes, bytes]]) -> int:
    keys = KeyMaker("floor")
    for part in parts:
        with client.pipeline(transaction=False) as pipe:
            for who in dict.fromkeys(part.customers):
                pipe.hset(keys.key(who), mapping=rows[who])  # type: ignore[arg-type]
            pipe.execute()
    return sum(len(part.customers) for part in parts)


def _one_event(place: World, plans: list[Plan], times: int) -> Measurement:
    import pandas as pd

    writer = OnlineWriter(place.client, "bench", plans)
    event = batches(TOPIC, plans, [1], 1)[0].events
    position = iter(range(10**9, 10**10))
    mine = latencies_ms(lambda: writer.apply(["customer1"], [Position(next(position), 0)], 0, event), times=times)
    second = iter(range(10**6))

    def push() -> None:
        time = from_us(NOW_US + next(second) * 1_000_000)
        row = {"customer_id": ["c"], "event_time": [time], "tier": ["gold"], "locale": ["de"], "signup_day": [1]}
        place.store.push("profile_push", pd.DataFrame({**row, "personalization_consent": [True]}))

    theirs = latencies_ms(push, times=times // 5, warm=3)
    ours = spread("one event into two views", "ms", mine)
    return compared(ours, spread("Feast's push of one row into one view", "ms", theirs))
