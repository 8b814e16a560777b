"""Triggers as flows: what is declared, what happens, what was fired. No tests."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import redis
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.runtime import Runtime, make_runtime
from flows.triggers import Watch, triggers
from rapport.bus import Bus, Message
from rapport.clock import WORLD_CLOCK_KEY, WorldClock, to_us
from rapport.online import connect
from rapport.settings import load_settings
from rapport.triggers.engine import Engine
from rapport.triggers.file import TRIGGERS_TOPIC
from rapport.triggers.firing import Firing
from rapport.triggers.load import parse_triggers
from rapport.triggers.store import TriggerStore

# By its whole name: a forked process finds it too.
from tests.flows.given import values

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
TRIGGERS = """
version: 1
triggers:
  - name: cart
    absence:
      after: {topic: customer_clicks, where: {action: cart_add}}
      without:
        - {topic: customer_clicks, where: {action: checkout}}
        - {topic: purchase_events, where: {action: order}}
      for: 30 min
    columns: [product_id]
    quiet: 1 h
    reason: "{product_id} in the cart, and nothing for {for}"
  - name: seen
    event: {topic: customer_clicks, where: {action: view}}
    quiet: 1 h
    reason: "looked"
"""


def stand_at(redis_url: str, moment: datetime, rate: float = 0.0) -> None:
    """The world's clock from now on."""
    system_us = int(datetime.now(UTC).timestamp() * 1_000_000) if rate else 0
    with redis.Redis.from_url(redis_url) as client:
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(system_us, to_us(moment), rate)))


def click(event_id: str, who: str, action: str = "cart_add", at: datetime = NOW, **more: Any) -> Message:
    event = {"event_id": event_id, "customer_id": who, "event_time": at, "action": action, "product_id": "p", **more}
    return Message("customer_clicks", who, msgspec.json.encode(event))


def order(event_id: str, who: str, at: datetime = NOW) -> Message:
    event = {"event_id": event_id, "customer_id": who, "event_time": at, "action": "order", "order_id": event_id}
    return Message("purchase_events", who, msgspec.json.encode({**event, "amount": "1.00", "currency": "EUR"}))


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def watch_of(text: str = TRIGGERS) -> Watch:
    """Triggers that need no features."""
    return Watch(Engine(parse_triggers(text).triggers))


def run_triggers(runtime: Runtime, watch: Watch, store: TriggerStore | None = None) -> None:
    """Read all there is, look once at what is due, end."""
    flow = Dataflow("triggers")
    triggers(flow, runtime, watch, store=store, drain=True)
    run_main(flow)


def firings(bus: Bus) -> list[Firing]:
    return [msgspec.json.decode(value, type=Firing) for value in values(bus, TRIGGERS_TOPIC)]


def fired(bus: Bus) -> Counter[tuple[str, str]]:
    """Trigger and customer to how often; each firing has an id of its own."""
    found = firings(bus)
    assert len({firing.id for firing in found}) == len(found), "a firing was published twice"
    return Counter((firing.trigger, firing.customer_id) for firing in found)


STEPS = {"step", "outbox", "published"}
"""What a store does, before or after which a process may die."""


class _Mortal:
    """Passes calls on, and kills the process after the n-th."""

    lives = 0

    def __init__(self, inside: Any, names: set[str]) -> None:
        self._inside = inside
        self._names = names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inside, name)
        if name not in self._names:
            return found

        def call(*args: Any, **more: Any) -> Any:
            answer = found(*args, **more)
            _step()
            return answer

        return call


def _step() -> None:
    _Mortal.lives -= 1
    if _Mortal.lives == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def die_at(lives: int, redis_url: str, root: Path) -> None:
    """What a forked process runs: the triggers, until the `lives`-th write, or read of what is to be published."""
    from dataclasses import replace

    runtime = make_runtime(load_settings({"RAPPORT_REDIS_URL": redis_url}, root=root))
    _Mortal.lives = lives
    bus: Any = _Mortal(runtime.bus, {"commit"})
    store: Any = _Mortal(TriggerStore(connect(runtime.settings, timeout_s=5)), STEPS)
    run_triggers(replace(runtime, bus=bus), watch_of(), store)
