"""Bytes that the online store keeps per customer of the demo's simulated world, by view and over all of them.

1,000 simulated customers with 90 days of history, as `rapport simulate --history 90` makes them, checked and written
as the flows do. Counted: the stored value of each view, its mark and the engine's row, and the names of its hash fields
with its `_ts:` field, the way Feast lays them out; then the key. Redis's own MEMORY USAGE stands beside the total.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.frame import Measurement
from benchmarks.online_world import NOW_US, World, world
from rapport.bus.protocol import Position
from rapport.errors import EventError
from rapport.events.block import events_of
from rapport.events.decode import decode
from rapport.events.derive import derive
from rapport.events.schema import Event
from rapport.feast.catalog import plans_by_topic
from rapport.online import OnlineWriter
from rapport.online.keys import TILES, KeyMaker, field_of, time_field
from rapport.simulate import World as Simulated
from rapport.simulate import to_message
from rapport.windows import Plan

__all__ = ["measure"]

DAYS = 90
DAY_US = 86_400_000_000
BATCH = 4_000
TARGET = 1_024
PARTS = (10, 50, 90, 99, 100)


def measure(quick: bool) -> list[Measurement]:
    """Percentiles of bytes per customer: of each view, of all views, and of Redis's memory."""
    customers = 200 if quick else 1_000
    with world() as place:
        plans = plans_by_topic(place.store)
        _write(place, plans, customers)
        people = [profile.customer_id for profile in Simulated(7, customers).profiles(NOW_US)]
        sizes = _sizes(place, [plan.view.name for some in plans.values() for plan in some], people)
    note = f"{customers:,} customers, {DAYS} days"
    return [one for name, found in sizes.items() for one in _percentiles(name, found, note)]


def _write(place: World, plans: dict[str, list[Plan]], customers: int) -> None:
    """Live the history, and write it as the flows would."""
    writers = {topic: OnlineWriter(place.client, place.store.project, some) for topic, some in plans.items()}
    number = 0
    for topic, events in _events(customers):
        rows = derive(topic, events, [NOW_US] * len(events)).rows
        columns = sorted({name for plan in plans[topic] for name in plan.columns})
        positions = [Position(1, number + n) for n in range(1, len(rows) + 1)]
        number += len(rows)
        writers[topic].apply(rows.column("customer_id").to_pylist(), positions, 0, events_of(topic, rows, columns))


def _events(customers: int) -> Iterator[tuple[str, list[Event]]]:
    """Batches of events, by topic."""
    held: dict[str, list[Event]] = defaultdict(list)
    for topic, event in Simulated(7, customers).history(NOW_US - DAYS * DAY_US, NOW_US):
        message = to_message(topic, event, "benchmark")
        try:
            held[topic].append(decode(topic, message.value))
        except EventError:
            continue  # the simulated world sends a few broken events, too
        if len(held[topic]) >= BATCH:
            yield topic, held.pop(topic)
    yield from held.items()


def _sizes(place: World, views: Sequence[str], people: Sequence[str]) -> dict[str, list[int]]:
    """Bytes of each customer: by view (0 without a row), of all views, of Redis."""
    keys = KeyMaker(place.store.project)
    sizes: dict[str, list[int]] = {name: [] for name in (*views, "all views", "all views, Redis's own MEMORY USAGE")}
    for who in people:
        key = keys.key(who)
        stored: dict[bytes, bytes] = place.client.hgetall(key)  # type: ignore[assignment]
        total = len(key) if stored else 0
        for view in views:
            fields = (field_of(view, TILES), time_field(view))
            size = sum(len(field) + len(stored[field]) for field in fields if field in stored)
            sizes[view].append(size)
            total += size
        sizes["all views"].append(total)
        sizes["all views, Redis's own MEMORY USAGE"].append(int(place.client.memory_usage(key, samples=0) or 0))  # type: ignore[arg-type]
    return sizes


def _percentiles(name: str, found: Sequence[int], note: str) -> list[Measurement]:
    """The distribution over the customers who have the view."""
    known = [size for size in found if size]
    p10, p50, p90, p99, most = np.percentile(known, PARTS)
    text = f"p10 {p10:,.0f}, p90 {p90:,.0f}, most {most:,.0f} bytes; {len(known):,} of {note}"
    whole = name == "all views"
    return [
        Measurement(
            name=name,
            unit="bytes",
            value=float(p50),
            p99=float(p99),
            samples=len(known),
            better="lower",
            peer="target" if whole else "",
            peer_value=TARGET if whole else None,
            note=text,
        )
    ]
