"""The short form of `make faults`: each fault, each route, one service; and what it finds broken when it starts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bentos.api import Api
from tests.faults.breaking import EVERYTHING, FAULTS, Fault
from tests.faults.matrix import run_fault
from tests.faults.routes import ROUTES
from tests.faults.world import World

PATIENT = {"RAPPORT_DEADLINE_MS": "250", "RAPPORT_REDIS_TIMEOUT_MS": "200", "RAPPORT_QUEUE_MS": "0"}
"""A machine that runs many tests at once may take more than the usual 60 ms for a read of 1 ms."""
LONGEST_MS = 2_000.0
"""Of a decision: what is to be noticed here is one that waits for what does not come, which would be for ever."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The service, which started with everything broken."""
    with World(tmp_path_factory.mktemp("faults"), PATIENT) as world:
        with EVERYTHING.begin(world):
            world.serve().wait_ready()
            world.at_start = world.served.decide("ann", message="Where is my parcel?"), world.served.health()
        world.wait_well()
        world.use_key()
        world.remember_decision()
        yield world


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
    row = run_fault(world, fault, 2)
    assert row.findings == []
    assert row.cells["POST", "/personalize"].most_ms < LONGEST_MS and row.first_ms < LONGEST_MS
    assert world.served.process.poll() is None
