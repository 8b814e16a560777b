"""The short form of `make surge`: nothing lost, memory bounded, decisions go on, the lag is seen and worked off."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.world import CHUNK, World
from tests.surge.plan import TIMES
from tests.surge.run import Limits, SurgeRun


def test_ten_times_what_can_be_taken(tmp_path: Path) -> None:
    # Fast again after the surge: how long it takes to work it off is what `make surge` shows.
    limits = Limits(share=0.1, relief=True, max_lag=1_000, max_length=20_000)
    run = SurgeRun(tmp_path, World(5, CHUNK, 300), limits, print)
    try:
        outcome = run.go(calibrate=2, before_s=1, surge_s=2, after_s=1)
    finally:
        run.project.redis.stop()
    print(outcome)
    assert outcome.findings == []
    assert outcome.offered > TIMES * outcome.sustainable * 2
    # Some were refused and gave up, some were refused and came back; all that was taken is where it belongs.
    assert 0 < outcome.given_up < outcome.offered
    assert outcome.refusals > outcome.given_up // CHUNK and outcome.rows > 0
    assert limits.max_lag < outcome.longest_lag
    assert outcome.decisions > 20
