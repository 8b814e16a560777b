"""Audits: how often an unchanged world gives a finding, and how often a changed one does.

A figure is a share of a day's events, 28 days of history and the day that is judged. Worlds differ in how many events
there are, and in how much the share wanders from day to day beyond chance. Peers: three standard deviations of the
days' shares, and a binomial test of the day against all of history at 0.001. Then whole audits of an unchanged archive
of 30 days and more, one for each of its last days. The figures of docs/audits.md are these.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.frame import Measurement
from rapport.archive import Archive
from rapport.audit.fences import share_fence
from rapport.audit.judge import judge
from rapport.audit.scan import scan
from rapport.audit.span import DAY_US, HISTORY_DAYS, Span
from rapport.testing.weeks import TOPIC, UNTIL_US, fill

__all__ = ["measure"]

Ints = npt.NDArray[np.int64]
Judge = Callable[[Ints, Ints], bool]


class World(NamedTuple):
    """A share: its size, events a day, how much it wanders (on the arcsine's scale); what it is on the judged day."""

    name: str
    share: float
    rows: int
    wander: float = 0.0
    now: float | None = None
    bad_day: bool = False


WORLDS = (
    World("unchanged: 2 % of 5,000", 0.02, 5_000),
    World("unchanged: 2 % of 500,000, wandering", 0.02, 500_000, 0.01),
    World("unchanged: 40 % of 50,000, wandering", 0.4, 50_000, 0.02),
    World("unchanged: 0.02 % of 5,000", 0.0002, 5_000),
    World("unchanged: 2 % of 5,000, one bad day", 0.02, 5_000, bad_day=True),
    World("2 % become 4 % of 5,000", 0.02, 5_000, now=0.04),
    World("2 % become 4 % of 5,000, one bad day", 0.02, 5_000, now=0.04, bad_day=True),
    World("2 % become 5 % of 500,000, wandering", 0.02, 500_000, 0.01, 0.05),
    World("40 % become 60 % of 50,000, wandering", 0.4, 50_000, 0.02, 0.6),
    World("0.02 % become 1 % of 5,000", 0.0002, 5_000, now=0.01),
)


def measure(quick: bool) -> list[Measurement]:
    """Percent of figures outside, ours beside a peer's each; then findings of whole audits."""
    repeat = 100 if quick else 500
    found = []
    for world in WORLDS:
        random = np.random.default_rng(WORLDS.index(world))
        days = [_days(world, random) for _ in range(repeat)]
        ours, *peers = (100 * np.mean([judged(*both) for both in days]) for judged in (by_fence, by_deviation, by_test))
        for peer, value in zip(("three standard deviations", "binomial test, p < 0.001"), peers, strict=True):
            found.append(
                Measurement(
                    name=world.name,
                    unit="% of figures outside",
                    value=float(ours),
                    samples=repeat,
                    better="lower" if world.now is None else "higher",
                    peer=peer,
                    peer_value=float(value),
                )
            )
    return [*found, _whole(worlds=1 if quick else 3)]


def _days(world: World, random: np.random.Generator) -> tuple[Ints, Ints]:
    """Part and whole of each day; the first is the judged one."""
    angles = np.arcsin(np.sqrt(world.share)) + world.wander * random.standard_normal(HISTORY_DAYS + 1)
    shares = np.sin(np.clip(angles, 0, np.pi / 2)) ** 2
    if world.now is not None:
        shares[0] = world.now
    if world.bad_day:
        shares[9] = 0.5
    whole = random.poisson(world.rows, HISTORY_DAYS + 1)
    return random.binomial(whole, shares), whole


def by_fence(part: Ints, whole: Ints) -> bool:
    """Rapport's rule."""
    fence = share_fence(part[1:], whole[1:], int(whole[0]))
    return fence is not None and bool(fence.leaves(float(part[0] / whole[0])))


def by_deviation(part: Ints, whole: Ints) -> bool:
    """Further from the mean of the days than three of their standard deviations."""
    shares = part / whole
    return bool(abs(shares[0] - shares[1:].mean()) > 3 * shares[1:].std(ddof=1))


def by_test(part: Ints, whole: Ints) -> bool:
    """A test of whether the day has the share of all of history, as if chance alone moved it."""
    share = part[1:].sum() / whole[1:].sum()
    tail = stats.binom.cdf(part[0], whole[0], share), stats.binom.sf(part[0] - 1, whole[0], share)
    return bool(2 * min(tail) < 0.001)


def _whole(worlds: int, days: int = 30, rows: int = 2_000) -> Measurement:
    """Audits of each of the last days of unchanged archives."""
    findings = []
    for seed in range(worlds):
        with tempfile.TemporaryDirectory(prefix="rapport-audit-") as folder:
            archive = Archive(Path(folder))
            fill(archive, rows=rows, days=HISTORY_DAYS + 2 + days, seed=seed)
            archive.compact(TOPIC)
            findings += [len(judge(scan(archive, TOPIC, Span(UNTIL_US - day * DAY_US)))) for day in range(days)]
    return Measurement(
        name="whole audits of an unchanged topic",
        unit="% with a finding",
        value=100 * float(np.mean(np.array(findings) > 0)),
        samples=len(findings),
        better="lower",
        note=f"{sum(findings)} findings in {len(findings)} audits",
    )
