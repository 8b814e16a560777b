"""The minute-long form of `make chaos`, and its judges: they must notice what they are there for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rapport.online.keys import KeyMaker
from tests.chaos.plan import plan
from tests.chaos.run import Run
from tests.chaos.trial import judge, trial
from tests.chaos.verdict import check_archive, check_records, check_rows, truth_of

KILLS, EVENTS = 6, 15_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("chaos")
    with trial(folder, seed=11, kills=KILLS, events=EVENTS, redis_faults=1, say=print) as run:
        yield run


def test_nothing_is_lost_or_counted_twice(run: Run, tmp_path: Path) -> None:
    report = judge(run, tmp_path, sample=60, replays=3, say=print)
    assert report.findings == []
    assert (report.kills, report.accepted) == (KILLS, EVENTS)
    assert report.dead_letters["duplicate"] > 0
    assert report.rows_against_sql > 0 and report.rows_against_oracle > 0 and report.rows_of_a_replay > 0


def test_the_judges_notice(run: Run) -> None:
    counts, truth = run.bus().counts(), truth_of(run.sent)
    assert check_records(run, {**counts, "accepted:feedback": counts["accepted:feedback"] + 1})
    once_less = {**truth, "feedback": truth["feedback"].slice(1)}
    assert "1 are there besides" in check_archive(run, once_less)[0]
    assert any("view satisfaction" in finding for finding in check_rows(run, once_less)[1])
    with redis.Redis.from_url(run.project.redis.url) as client:
        client.delete(KeyMaker("rapport").key(run.world.customer(0)))
    assert any("view rfm" in finding for finding in check_rows(run, truth)[1])


def test_a_plan_follows_from_its_seed() -> None:
    assert plan(3, 40, 2) == plan(3, 40, 2) != plan(4, 40, 2)
    kinds = [fault.kind for fault in plan(3, 40, 2)]
    assert sum(kind in ("kill", "twins") for kind in kinds) == 40
    assert kinds.count("kill redis") == kinds.count("freeze redis") == kinds.count("restart redis") == 2
