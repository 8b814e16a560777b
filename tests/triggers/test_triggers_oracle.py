"""Timers and marks against a naive oracle that remembers every event, over random sequences, on the real store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from trigger_given import NOW, SECOND, cart_triggers, click, rows

from rapport.bus.protocol import Position
from rapport.embedded import EmbeddedRedis
from rapport.triggers.engine import Engine
from rapport.triggers.state import TIMERS, Due
from rapport.triggers.store import TriggerStore

FOR, QUIET, EXPIRES = 30 * SECOND, 40 * SECOND, 100 * SECOND
EVENT_QUIET, EVENT_EXPIRES = 20 * SECOND, 50 * SECOND

# (who, what, seconds before now) of some events that come together, or how many seconds pass
event = st.tuples(st.sampled_from("ab"), st.sampled_from(["add", "checkout", "order", "view"]), st.integers(0, 160))
steps = st.lists(st.one_of(st.lists(event, min_size=1, max_size=4), st.integers(1, 90)), min_size=1, max_size=25)


@dataclass
class Oracle:
    """What should have fired: all events are kept, and looked through each time."""

    events: list[dict[str, Any]] = field(default_factory=list)
    handled: dict[str, int] = field(default_factory=dict)
    fired: dict[tuple[str, str], int] = field(default_factory=dict)
    firings: list[tuple[str, str, int]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def came(self, now: int, batch: list[dict[str, Any]]) -> None:
        self.events += [one for one in batch if one["at"] >= now - EXPIRES - FOR]
        self.counts["cart:old"] += sum(one["what"] == "add" and one["at"] < now - EXPIRES - FOR for one in batch)
        for one in sorted(batch, key=lambda one: (one["who"], one["at"], one["id"])):
            if one["what"] == "view" and one["at"] < now - EVENT_EXPIRES:
                self.counts["urgent:old"] += 1
            elif one["what"] == "view":
                self.try_firing("urgent", one["who"], one["at"], now, EVENT_QUIET, EVENT_EXPIRES)

    def looked(self, now: int) -> None:
        due = []
        for who in "ab":
            adds = [one for one in self.events if one["who"] == who and one["what"] == "add"]
            ends = [one["at"] for one in self.events if one["who"] == who and one["what"] in ("checkout", "order")]
            newest = max(adds, key=lambda one: (one["at"], one["id"]), default=None)
            if newest and newest["at"] > max([*ends, self.handled.get(who, -1)]) and newest["came"] + FOR <= now:
                due.append((newest["came"] + FOR, who, newest["at"]))
        for moment, who, at in due:
            self.handled[who] = at
            self.try_firing("cart", who, moment, now, QUIET, EXPIRES)

    def try_firing(self, name: str, who: str, moment: int, now: int, quiet: int, expires: int) -> None:
        last = self.fired.get((name, who))
        if now - moment > expires:
            self.counts[f"{name}:expired"] += 1
        elif last is not None and moment <= last + quiet:
            self.counts[f"{name}:quiet"] += 1
        else:
            self.fired[name, who] = moment
            self.firings.append((name, who, moment))
            self.counts[f"{name}:fired"] += 1


class Real:
    """The engine over its real store; every batch is given twice, as after a crash, when `twice`."""

    def __init__(self, client: redis.Redis) -> None:
        self.engine = Engine(cart_triggers())
        self.store = TriggerStore(client)
        self.store.begin(0)
        self.batches = 0

    def came(self, now: int, topic: str, batch: list[dict[str, Any]]) -> None:
        self.batches += 1
        ask = Due(f"ask:{topic}:0", self.batches)
        changes = self.engine.batch(topic, rows(topic, *batch), ask, now, self.store.load)
        assert self.store.step(changes, (topic, 0, Position(self.batches, 0)))

    def looked(self, now: int) -> None:
        while pairs := self.store.due(TIMERS, now, 2):
            assert self.store.step(self.engine.timers(self.store.load(pairs), now))

    def firings(self) -> list[tuple[str, str, int]]:
        return [
            (firing.trigger, firing.customer_id, round(firing.moment.timestamp() * SECOND))
            for firing in [one.firing for one in self.store.outbox(0, 10_000) if one.firing]
        ]


def as_rows(batch: list[dict[str, Any]], now: int) -> dict[str, list[dict[str, Any]]]:
    by_topic: dict[str, list[dict[str, Any]]] = {}
    for one in batch:
        base = {"event_id": one["id"], "customer_id": one["who"], "event_time_us": one["at"], "arrival_time_us": now}
        if one["what"] == "order":
            by_topic.setdefault("purchase_events", []).append({**base, "action": "order"})
        else:
            action = {"add": "cart_add"}.get(one["what"], one["what"])
            row = click(one["id"], one["who"], one["at"], action, arrival_time_us=now, quantity=2)
            by_topic.setdefault("customer_clicks", []).append(row)
    return by_topic


@settings(max_examples=120)
@given(steps=steps, again=st.booleans())
def test_timers_fire_as_the_oracle_says(redis_server: EmbeddedRedis, steps: list[Any], again: bool) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        real, oracle, now, number = Real(client), Oracle(), NOW, 0
        for step in steps:
            if isinstance(step, int):
                now += step * SECOND
                real.looked(now)
                oracle.looked(now)
                continue
            batch = []
            for who, what, ago in step:
                number += 1
                at = now - ago * SECOND
                batch.append({"id": f"e{number:03}", "who": who, "what": what, "at": at, "came": now})
            oracle.came(now, batch)
            for topic, some in as_rows(batch, now).items():
                real.came(now, topic, some)
            if again:
                before = real.firings()
                for topic, some in as_rows(batch, now).items():
                    real.came(now, topic, some)
                assert real.firings() == before, "what is read twice fires once"
        assert sorted(real.firings()) == sorted(oracle.firings)
        if not again:
            found = {f"{name}:{what}": n for name, some in real.store.counts().items() for what, n in some.items()}
            assert found == {name: n for name, n in oracle.counts.items() if n}
        # Whatever is kept is waited for, and long after nothing is kept.
        sizes = real.store.sizes()
        assert sizes["states"] == sizes["timers"]
        real.looked(now + 3_600 * SECOND)
        assert real.store.sizes() == {"states": 0, "timers": 0, "checks": 0}
