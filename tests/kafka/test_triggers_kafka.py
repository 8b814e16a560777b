"""Triggers whose bus is a real broker: a timer, an event, each fired once, through several partitions and restarts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import redis
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.ingest import ingest
from flows.runtime import Runtime
from flows.triggers import GROUP, Watch, triggers
from rapport.bus import START, Bus, Message
from rapport.clock import WORLD_CLOCK_KEY, WorldClock, to_us
from rapport.triggers.engine import Engine
from rapport.triggers.file import TRIGGERS_TOPIC
from rapport.triggers.firing import Firing
from rapport.triggers.load import parse_triggers

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
DECLARED = """
version: 1
triggers:
  - name: cart
    absence:
      after: {topic: customer_clicks, where: {action: cart_add}}
      without: [{topic: purchase_events, where: {action: order}}]
      for: 30 min
    reason: "nothing for {for}"
  - name: seen
    event: {topic: customer_clicks, where: {action: view}}
    reason: "looked"
"""


def click(number: int, who: str, action: str) -> Message:
    event = {"event_id": f"e{number}", "customer_id": who, "event_time": NOW, "action": action}
    return Message("customer_clicks", who, msgspec.json.encode(event))


def run(runtime: Runtime) -> None:
    flow = Dataflow("ingest")
    ingest(flow, runtime, drain=True)
    run_main(flow)
    flow = Dataflow("triggers")
    triggers(flow, runtime, Watch(Engine(parse_triggers(DECLARED).triggers)), drain=True)
    run_main(flow)


def fired(bus: Bus) -> Counter[tuple[str, str]]:
    found = Counter[tuple[str, str]]()
    for partition in range(bus.partitions(TRIGGERS_TOPIC)):
        reader = bus.reader(TRIGGERS_TOPIC, partition, START)
        while batch := reader.poll(1_000):
            firings = [msgspec.json.decode(value, type=Firing) for value in batch.values]
            found.update((firing.trigger, firing.customer_id) for firing in firings)
    return found


def test_each_fires_once_through_a_broker(make_runtime_: Callable[..., Runtime], redis_url: str) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    for minutes, events in (
        (0, [click(n, f"c{n}", "view" if n % 2 else "cart_add") for n in range(12)]),
        (31, [click(20, "late", "view")]),
        (32, []),
    ):
        with redis.Redis.from_url(redis_url) as client:
            world = WorldClock(0, to_us(NOW + timedelta(minutes=minutes)), 0.0)
            client.set(WORLD_CLOCK_KEY, msgspec.json.encode(world))
        runtime = make_runtime_(partitions=3)
        if events:
            runtime.bus.publish(events)
        run(runtime)
        expected.update(("seen", message.key) for message in events if b'"view"' in message.value)
        if minutes == 31:
            expected.update(("cart", f"c{n}") for n in range(0, 12, 2))
        assert fired(runtime.bus) == expected
        for partition in range(3):
            place = ("customer_clicks.checked", partition)
            assert runtime.bus.reader(*place, runtime.bus.position(GROUP, *place)).lag() == 0
        runtime.bus.close()
