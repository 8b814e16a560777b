"""More is asked than can be decided: everybody gets an answer that can be used, and nobody waits for the others."""

from __future__ import annotations

import asyncio

from tests.faults.asking import Asked, ask_for
from tests.faults.world import World

CONNECTIONS = 300
COUNTED = 'rapport_decisions_degraded_total{cause="overloaded"}'


def test_what_is_too_much_is_answered_by_the_policy_alone(world: World) -> None:
    before = world.served.metric(COUNTED)
    asked = asyncio.run(_ask_for(world, 3.0))
    assert (asked.failed, asked.statuses, asked.refused) == ([], [], 0)
    shed = [decision for decision in asked.decisions if "overloaded" in decision["degraded"]]
    decided = [decision for decision in asked.decisions if not decision["degraded"]]
    assert shed and decided
    assert world.served.metric(COUNTED) - before == len(shed)
    for decision in shed[:20]:
        assert decision["degraded"] == ["overloaded"] and decision["template"]["text"]
        assert decision["segment"] == "Unknown" and not decision["scores"] and decision["policy_version"]
    waits = world.served.http.get("/metrics").text
    assert "rapport_decision_wait_seconds_bucket" in waits and "rapport_decisions_deciding 0.0" in waits


def test_afterwards_everybody_is_decided_on_at_once(world: World) -> None:
    assert [world.served.decide("ann")["degraded"] for _ in range(5)] == [[]] * 5
    world.wait_well()
    assert world.served.metric("rapport_decision_log_dropped_total") == 0


async def _ask_for(world: World, seconds: float) -> Asked:
    until = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, until.set)
    return await ask_for([world.served.port], CONNECTIONS, until)
