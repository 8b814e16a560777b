"""A habit that is watched: begun, broken, whole again, let go of; and remembered only while that is certain."""

from __future__ import annotations

import pytest
import redis
from trigger_given import NOW, SECOND, click, rows

from rapport.bus.protocol import Position
from rapport.triggers.engine import Engine
from rapport.triggers.load import parse_triggers
from rapport.triggers.state import CHECKS, Due, Pair
from rapport.triggers.store import TriggerStore

HOUR = 3_600 * SECOND
DAY = 24 * HOUR
DROP = """
version: 1
triggers:
  - name: drop
    drop: {activity: {topic: customer_clicks}, recent: "v:day", habit: "v:month", every: 6 h, clump: 2}
    quiet: 3 d
    reason: "{recent} of {expected}: {chance}"
"""
ANNA = Pair("drop", "anna")


class World:
    """An engine, its store, and what the features say."""

    def __init__(self, client: redis.Redis) -> None:
        self.engine = Engine(parse_triggers(DROP).triggers)
        self.store = TriggerStore(client)
        self.store.begin(0)
        self.looked_up = 0
        self.clicks = 0

    def click(self, now_us: int) -> None:
        self.clicks += 1
        batch = rows("customer_clicks", click(f"e{self.clicks}", "anna", now_us))

        def load(pairs: list[Pair]) -> object:
            self.looked_up += len(pairs)
            return self.store.load(pairs)

        changes = self.engine.batch("customer_clicks", batch, Due("ask", 1), now_us, load)  # type: ignore[arg-type]
        assert self.store.step(changes, ("t", 0, Position(self.clicks, 0)))
        self.engine.written(changes)

    def check(self, now_us: int, day: float | None, month: float | None) -> list[str]:
        """What fires when the day and the month have so many clicks."""
        before = len(self.store.outbox(0, 100))
        pairs = self.store.due(CHECKS, now_us, 10)
        due = self.store.load(pairs)
        features = {pair: {"v:day": day, "v:month": month} for pair in pairs}
        changes = self.engine.checks(due, features, lambda one, _: DAY if one[1] == "day" else 30 * DAY, now_us)
        assert self.store.step(changes)
        self.engine.written(changes)
        return [one.firing.reason for one in self.store.outbox(0, 100)[before:] if one.firing]


@pytest.fixture
def world(redis_url: str) -> World:
    return World(redis.Redis.from_url(redis_url))


def test_it_fires_when_the_habit_breaks_and_again_after_it_was_whole(world: World) -> None:
    world.click(NOW)
    assert world.check(NOW + 5 * HOUR, 0, 900) == [], "it is not time yet"
    assert world.check(NOW + 6 * HOUR, 30, 900) == []
    (reason,) = world.check(NOW + 12 * HOUR, 2, 902)
    assert reason == "2 of 31.03: 3.01e-06"
    assert world.check(NOW + 18 * HOUR, 0, 900) == [], "it is broken still"
    assert world.check(NOW + DAY, 30, 900) == []
    assert world.check(NOW + 2 * DAY, 0, 900) == [], "whole in between, but too soon"
    assert world.store.counts()["drop"] == {"fired": 1, "quiet": 1}
    assert world.check(NOW + 3 * DAY, 30, 900) == []
    assert len(world.check(NOW + 4 * DAY, 0, 900)) == 1


@pytest.mark.parametrize(("day", "month"), [(0.0, 100.0), (None, None), (5.0, 5.0)])
def test_who_has_no_habit_is_let_go_of_until_they_come_again(
    world: World, day: float | None, month: float | None
) -> None:
    world.click(NOW)
    assert world.store.sizes()["checks"] == 1
    assert world.check(NOW + 6 * HOUR, day, month) == []
    assert world.store.sizes() == {"states": 0, "timers": 0, "checks": 0}
    world.click(NOW + 7 * HOUR)
    assert world.store.sizes()["checks"] == 1
    assert world.store.load([ANNA])[ANNA] is not None


def test_further_events_cost_no_look_up_while_nobody_else_writes(world: World) -> None:
    for n in range(5):
        world.click(NOW + n)
    assert world.looked_up == 1
    world.engine.forget()
    world.click(NOW + 10)
    world.click(NOW + 11)
    assert world.looked_up == 2
    assert world.store.sizes()["checks"] == 1
