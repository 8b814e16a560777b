"""The short form of `make faults`: each fault, each route, one service; and what it finds broken when it starts."""

from __future__ import annotations

import pytest

from bentos.api import Api
from tests.faults.breaking import FAULTS, Fault
from tests.faults.matrix import run_fault
from tests.faults.routes import ROUTES
from tests.faults.world import World

LONGEST_MS = 10_000.0
"""Of a decision: what is to be noticed here is one that waits for what does not come, which would be for ever."""


def test_every_route_has_a_row() -> None:
    missing, gone = Api().needs.keys() - ROUTES.keys(), ROUTES.keys() - Api().needs.keys()
    assert not missing, f"say in tests/faults/routes.py how {sorted(missing)} is asked, and what it needs"
    assert not gone, f"{sorted(gone)} is no route any more: take it out of tests/faults/routes.py"


def test_a_service_starts_with_everything_broken_and_recovers(world: World) -> None:
    decision, health = world.at_start
    missing = {"features_unavailable", "policy_unavailable", "model_unavailable:escalation_risk"}
    assert missing <= set(decision["degraded"])
    assert health["ready"] and health["status"] == "degraded" and not health["policy"] and not health["redis"]
    for part in ("keys", "webhooks", "chatbots", "policy", "online store"):
        assert part in str(health["problems"]), health["problems"]
    assert world.served.decide("ann")["degraded"] == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault(world: World, fault: Fault) -> None:
    if fault.name == "disk full" and not world.has_disk:
        pytest.skip("a disk that can be filled has to be mounted, and this user may not")
    row = run_fault(world, fault, 1)
    assert row.findings == []
    assert row.cells["POST", "/personalize"].most_ms < LONGEST_MS and row.first_ms < LONGEST_MS
    assert world.served.process.poll() is None
