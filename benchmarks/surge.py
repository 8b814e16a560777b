"""A surge: a minute of ten times what an installation can take, over HTTP, and how it works that off.

A worker, the archive and triggers with 6% of a processor each, so that two cores can make ten times what they
take; the service and Redis with what they need. A tenth of the surge's senders come back when they are refused, until
all is taken; the others give up. All that was taken is held against SQL over what was sent. As `make surge` does it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.frame import Measurement
from tests.chaos.world import CHUNK, World
from tests.surge.run import Limits, Outcome, SurgeRun

__all__ = ["course", "measure"]

_BIN_S = 2.0
_X = "seconds of the run"


def measure(quick: bool) -> list[Measurement]:
    """How much was offered, taken and refused, how decisions went on, and the course of it all."""
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder:
        run = SurgeRun(
            Path(folder), World(1, CHUNK, 2_000), Limits(share=0.06, max_lag=10_000, max_length=40_000), print
        )
        try:
            outcome = run.go(calibrate=8, before_s=8, surge_s=6 if quick else 60, after_s=5)
        finally:
            run.project.redis.stop()
    if outcome.findings:
        raise RuntimeError("; ".join(outcome.findings))
    return [*_figures(run, outcome), *course(run)]


def _figures(run: SurgeRun, outcome: Outcome) -> Iterator[Measurement]:
    surge_s = run.plan.surge_s
    name, sustainable = "sustainable rate of the slowed flows", outcome.sustainable
    note = (
        f"{outcome.offered:,} events were offered in all, {outcome.taken:,} taken and {outcome.given_up:,} given up by "
        f"senders that were refused; {outcome.refusals:,} requests were refused, and {outcome.rows:,} rows compared."
    )
    yield Measurement(
        name="offered in the surge",
        unit="events/s",
        value=outcome.surge_rate,
        peer=name,
        peer_value=sustainable,
        note=note,
    )
    yield Measurement(name="from the end of the surge until nothing waits", unit="s", value=outcome.worked_off_s)
    p50, p99, longest = outcome.decision_ms
    note = f"All {outcome.decisions:,} decisions were answered, with features; the slowest took {longest:,.0f} ms."
    yield Measurement(
        name="decisions meanwhile", unit="ms", value=p50, p99=p99, samples=outcome.decisions, better="lower", note=note
    )
    yield Measurement(
        name=f"Redis at most, with {outcome.longest_lag:,} events waiting, in a surge of {surge_s:g} s",
        unit="MB",
        value=outcome.redis_mb[1],
        peer="before the surge",
        peer_value=outcome.redis_mb[0],
        better="lower",
    )
    for process, (before, most) in outcome.rss_mb.items():
        yield Measurement(
            name=f"{process} at most", unit="MB", value=most, peer="before the surge", peer_value=before, better="lower"
        )


def course(run: SurgeRun) -> Iterator[Measurement]:
    """What happened when: rates of requests, lags, memory, decisions."""
    end_s = run.samples[-1].at_s
    yield from _rates(run, end_s)
    for sample in run.samples:
        for group, lag in sample.lag.items():
            if group in ("ingest", "features", "archive", "triggers"):
                yield _point(sample.at_s, group, "events waiting, by group", lag)
        yield _point(sample.at_s, "Redis", "MB", sample.redis_bytes / 1e6)
        for process, size in sample.rss_bytes.items():
            yield _point(sample.at_s, process, "MB", size / 1e6)
    for at_s, p50, longest in run.decision_course(_BIN_S):
        yield _point(at_s, "median", "ms until decided", p50)
        yield _point(at_s, "slowest", "ms until decided", longest)


def _rates(run: SurgeRun, end_s: float) -> Iterator[Measurement]:
    size = {one.chunk: one.records for one in run.attempts}
    offered = Counter(int(at_s / _BIN_S) for due in run.plan.due() for at_s, chunk in due for _ in range(size[chunk]))
    taken, refused = Counter[int](), Counter[int]()
    for one in run.attempts:
        (taken if one.taken else refused)[int(one.at_s / _BIN_S)] += one.records
    for number in range(int(end_s / _BIN_S) + 1):
        for series, counted in (("offered", offered), ("taken", taken), ("refused", refused)):
            yield _point((number + 0.5) * _BIN_S, series, "events/s", counted[number] / _BIN_S)


def _point(at_s: float, series: str, unit: str, value: float) -> Measurement:
    return Measurement(name=series, unit=unit, value=value, x=round(at_s, 2), x_unit=_X, series=series, timed=True)
