"""One world and one service for all tests of this folder; it started with everything broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.breaking import EVERYTHING
from tests.faults.world import World

PATIENT = {"RAPPORT_DEADLINE_MS": "250", "RAPPORT_REDIS_TIMEOUT_MS": "200", "RAPPORT_QUEUE_MS": "10"}
"""A machine that runs many tests at once may take more than the usual 60 ms for a read of 1 ms."""


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("faults"), PATIENT) as world:
        with EVERYTHING.begin(world):
            world.serve().wait_ready()
            world.at_start = world.served.decide("ann", message="Where is my parcel?"), world.served.health()
        world.wait_well()
        world.use_key()
        world.remember_decision()
        yield world
