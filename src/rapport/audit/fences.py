"""What is usual, learned from history: fences for shares and for counts, and the chance of an hour without events.

Counts are never compared as if chance alone moved them: how much a figure differs from day to day beyond chance is
estimated from history and added: random effects, by moments (DerSimonian and Laird, Controlled Clinical Trials 7,
1986).
It is done on scales on which chance has the same size everywhere: the arcsine of the root of a share, and the root of a
count (Anscombe, Biometrika 35, 1948: variance 1 / (4 n + 2), and 1 / 4). A tenth of history's days, those furthest
out, is left out, so that one bad day neither becomes usual nor widens the fence. The fence is a quantile of Student's
distribution, wide where history is short.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from rapport.audit.profile import Counts, Floats

__all__ = ["ENOUGH_DAYS", "Fence", "count_fence", "empty_chance", "rare_fence", "share_fence", "spread_of"]

ENOUGH_DAYS = 7
"""Days of history, or pairs of days a week apart, that are needed before anything is called unusual."""
SHARE_ALPHA = 1e-5
"""Chance that a share leaves its fence on one side, when nothing has changed; there are hundreds in an audit."""
COUNT_ALPHA = 1e-4
"""The same for a topic's volume: there are six in an audit."""

_LEFT_OUT = 0.1
_ROUNDS = 3
_MEDIAN_COST = 1.571
"""How much larger the variance of a median is than that of a mean: pi / 2."""


@dataclass(frozen=True, slots=True)
class Fence:
    """What is usual: `expected`, between `low` and `high`; shares, or counts."""

    low: float
    expected: float
    high: float

    def leaves(self, value: float) -> int:
        """-1 below, 1 above, 0 within."""
        return int(value > self.high) - int(value < self.low)


def share_fence(part: Counts, whole: Counts, of: int, alpha: float = SHARE_ALPHA) -> Fence | None:
    """The fence for a share of `of` rows, by the days of history: part / whole. None: too few days have rows."""
    days = whole > 0
    if of <= 0 or int(days.sum()) < ENOUGH_DAYS:
        return None
    part, whole = part[days], whole[days]
    chance = 1 / (4 * whole + 2)
    kept, between = np.ones(len(whole), bool), 0.0
    for _ in range(_ROUNDS):
        expected = float(part[kept].sum() / whole[kept].sum())
        off = _arc(part, whole) - _arc(expected * whole, whole)
        kept = _nearest(off / np.sqrt(chance + between))
        seen = float(np.sum(np.square(off[kept]))) / (kept.sum() - 1) / _kept_variance(len(off))
        between = max(0.0, seen - float(np.mean(chance[kept])))
    off_by = float(np.mean(chance[kept] + between)) / kept.sum()
    width = _student(kept.sum() - 1, alpha) * np.sqrt(1 / (4 * of + 2) + between + off_by)
    middle = float(_arc(expected * of, of))
    low, high = (_share(np.clip(middle + way * width, 0, np.pi / 2), of) for way in (-1, 1))
    return Fence(min(low, expected), expected, max(high, expected))


def spread_of(pairs: Counts) -> float | None:
    """By how much counts a week apart differ beyond chance: the squared coefficient of variation. None: too few pairs.

    Args:
        pairs: int64[n, 2], counts of a window and of the same window a week earlier.
    """
    if len(pairs) < ENOUGH_DAYS:
        return None
    roots, mean = _root(pairs), pairs.mean(axis=1)
    off, squared = roots[:, 0] - roots[:, 1], 0.0
    for _ in range(_ROUNDS):
        kept = _nearest(off / np.sqrt(0.5 + squared * mean / 2))
        if not mean[kept].any():
            return 0.0
        seen = float(np.mean(np.square(off[kept]))) / _kept_variance(len(off))
        squared = max(0.0, 2 * (seen - 0.5) / float(mean[kept].mean()))
    return squared


def count_fence(before: Counts, spread: float, pairs: int, alpha: float = COUNT_ALPHA) -> Fence:
    """The fence for a count.

    Args:
        before: counts of the same window one to four weeks ago; at least one.
        spread: of spread_of.
        pairs: how many pairs it was estimated from. A week apart, two thirds of them are as good as independent.
    """
    expected = float(np.median(before))
    cost = 1 + _MEDIAN_COST / len(before)
    width = _student(max(1, pairs * 2 // 3 - 1), alpha) * np.sqrt((0.25 + spread * expected / 4) * cost)
    middle = float(np.sqrt(expected + 0.375))
    low, high = (max(0.0, middle + way * width) ** 2 - 0.375 for way in (-1, 1))
    return Fence(float(min(max(low, 0.0), expected)), expected, float(max(high, expected)))


def rare_fence(expected: float) -> Fence:
    """The fence for how many rows are of a kind that was never seen, when `expected` are to be expected."""
    high = (float(np.sqrt(expected + 0.375)) + _student(10**6, SHARE_ALPHA) / 2) ** 2 - 0.375
    return Fence(0.0, expected, high)


def empty_chance(before: Counts, spread: float) -> float:
    """The chance that a window stays empty, by its counts in the weeks before: a negative binomial, whose mean is as
    uncertain as a sum of Poisson counts makes it (Jeffreys' prior), and varies by `spread`."""
    mean = float(np.median(before))
    dispersion = spread + 1 / (mean * len(before) + 0.5)
    return float((1 + dispersion * mean) ** (-1 / dispersion))


def _arc(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    arc: Floats = np.arcsin(np.sqrt((np.asarray(part) + 0.375) / (np.asarray(whole) + 0.75)))
    return arc


def _share(arc: float, of: int) -> float:
    return float(np.clip((np.sin(arc) ** 2 * (of + 0.75) - 0.375) / of, 0, 1))


def _root(counts: Counts) -> Floats:
    roots: Floats = np.sqrt(counts + 0.375)
    return roots


def _nearest(off: Floats) -> npt.NDArray[np.bool_]:
    """All but the tenth that is furthest out."""
    kept = np.ones(len(off), bool)
    kept[np.argsort(np.abs(off))[len(off) - int(len(off) * _LEFT_OUT) :]] = False
    return kept


@cache
def _kept_variance(days: int) -> float:
    """The variance of a standard normal variable without the values that `_nearest` leaves out: F(q; 3) / F(q; 1), with
    F the distribution function of chi-square and F(q; 1) the share that is kept."""
    from scipy.special import chdtr, chdtri

    out = int(days * _LEFT_OUT) / days
    return float(chdtr(3, chdtri(1, out)) / (1 - out)) if out else 1.0


def _student(free: int, alpha: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(free, 1 - alpha))
