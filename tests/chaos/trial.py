"""A whole trial: the run, the checks, the replays, and what is reported of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from rapport.online.marks import MARK_BYTES
from tests.chaos.plan import plan
from tests.chaos.replay import replay
from tests.chaos.run import Run
from tests.chaos.verdict import check_archive, check_records, check_rows, check_sample, row_bytes, truth_of
from tests.chaos.world import CHUNK, World

__all__ = ["Report", "judge", "trial"]


@dataclass(slots=True)
class Report:
    """What a trial found. `findings` is empty when nothing was lost, nothing counted twice, and every row is right."""

    seed: int
    events: int
    customers: int
    faults: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    records_sent: int = 0
    accepted: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)
    run_s: float = 0.0
    check_s: float = 0.0
    rows_against_sql: int = 0
    rows_against_oracle: int = 0
    replays: int = 0
    rows_of_a_replay: int = 0
    findings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@contextmanager
def trial(
    folder: Path,
    *,
    seed: int,
    kills: int,
    events: int,
    redis_faults: int,
    say: Callable[[str], None],
    longest_s: float = inf,
) -> Iterator[Run]:
    """A run that has come to its end, its Redis still up. One that does not get there raises.

    Args:
        folder: empty.
        seed: of the events and of what goes wrong.
        kills: of the flow.
        events: good events; rounded to whole chunks.
        redis_faults: restarts, kills and freezes of Redis, each.
        say: told of the progress, a line at a time.
        longest_s: the run is brought to its end when it has lasted this long, however many events were sent.
    """
    world = World(seed, max(1, round(events / CHUNK)) * CHUNK, max(200, events // 100))
    (folder / "run").mkdir()
    run = Run(folder / "run", world, plan(seed, kills, redis_faults), say, longest_s)
    try:
        run.go()
        yield run
    finally:
        run.project.redis.stop()


def judge(run: Run, folder: Path, *, sample: int, replays: int, say: Callable[[str], None]) -> Report:
    """Check a run, and replay it. What is wrong is among the findings.

    Args:
        folder: for the replays.
        sample: customers that are held against the naive oracle.
        replays: shuffled full replays.
    """
    since_s = time.monotonic()
    counts = run.bus().counts()
    report = _told(run, counts)
    say("checking what was accepted and refused, and the archive")
    truth = truth_of(run.sent)
    report.findings += check_records(run, counts) + check_archive(run, truth)
    say("checking every row against SQL over the events that were sent")
    report.rows_against_sql, wrong = check_rows(run, truth)
    report.findings += wrong
    say("checking a part of the rows against the naive oracle")
    report.rows_against_oracle, wrong = check_sample(run, truth, sample)
    report.findings += wrong[:20]
    _replay(run, report, folder, replays, say)
    report.check_s = round(time.monotonic() - since_s, 1)
    return report


def _told(run: Run, counts: dict[str, int]) -> Report:
    report = Report(run.world.seed, run.sent.events, run.world.customers)
    report.run_s = round(run.seconds, 1)
    report.faults = dict(run.done)
    report.kills = run.done["kill"] + run.done["twins"]
    report.accepted = sum(n for name, n in counts.items() if name.startswith("accepted:"))
    report.dead_letters = {name[5:]: n for name, n in counts.items() if name.startswith("dead:")}
    report.records_sent = report.accepted + sum(report.dead_letters.values())
    return report


def _replay(run: Run, report: Report, folder: Path, replays: int, say: Callable[[str], None]) -> None:
    live = row_bytes(run.project.redis.url, MARK_BYTES)
    report.rows_of_a_replay = sum(len(fields) // 2 for fields in live.values())
    for number in range(replays):
        say(f"shuffled replay {number + 1} of {replays}")
        again = replay(run, folder / f"replay-{number}", number)
        differing = sum(live.get(key) != again.get(key) for key in live.keys() | again.keys())
        if differing:
            report.findings.append(f"replay {number + 1}: {differing:,} customers have other rows than the live store")
        report.replays += 1
