"""One round of the watch for all tests that look at its reports: making them takes a process of ten seconds."""

from __future__ import annotations

import pytest
from watched_world import MODEL, Watched, make_world

from monitoring.subject import MIN_DECISIONS
from monitoring.watch import Outcome, Watch


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """One round over four models: one that drifted, one that did not, one with few decisions, one without reference."""
    world = make_world(tmp_path_factory.mktemp("world"))
    for name in (MODEL, "steady", "quiet", "broken"):
        world.champion(name)
    world.decide(600, shift=1.0)
    world.decide(600, name="steady")
    world.decide(MIN_DECISIONS - 1, name="quiet")
    (world.settings.data_dir / "models" / "broken" / "1" / "reference.parquet").unlink()
    found = Watched(world)

    def retrain(model: str) -> Outcome:
        found.retrained.append(model)
        return Outcome("promoted", "2", "better by 0.01")

    Watch(world.settings, retrain).round()
    return found
