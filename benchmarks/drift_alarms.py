"""Drift: how often an unchanged world starts a retraining, and how often a changed one does.

Thirty columns as features are: counts, amounts with a long tail and nulls, amounts that are mostly zero, ages, flags, a
constant. Each column is a monotone map of a normal variable; a shift of d moves that variable by d standard deviations,
so that it means the same for every kind. A run compares a reference of 3,000 rows with 1,000 new ones, and counts as an
alarm when at least 30 % of the columns drifted. The figures of docs/drift.md are these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.spatial import distance

from benchmarks.frame import Measurement
from monitoring.bins import number_bins
from monitoring.report import PSI_THRESHOLD
from rapport.settings import load_settings

__all__ = ["measure"]

Floats = npt.NDArray[np.float64]
Drifted = Callable[[Floats, Floats], bool]
REFERENCE_ROWS, ROWS = 3_000, 1_000
COLUMNS = 30
SHARE = load_settings({}, root=Path()).drift_share


class Scenario(NamedTuple):
    """What happens to the world: how many columns move, by how many standard deviations, how many lose values."""

    name: str
    moved: int
    by: float
    rows: int = ROWS
    lost: int = 0


UNCHANGED = Scenario("unchanged", 0, 0.0)
SCENARIOS = (
    Scenario("all move by 0.1 sd, 5,000 rows", 30, 0.1, 5_000),
    Scenario("half move by 0.3 sd", 15, 0.3),
    Scenario("half move by 0.5 sd", 15, 0.5),
    Scenario("half move by 1 sd", 15, 1.0),
    Scenario("all move by 0.5 sd", 30, 0.5),
    Scenario("half lose a fifth of their values", 0, 0.0, ROWS, 15),
)
WANDER = SCENARIOS[0]
"""Every column moves a little, as columns always do: no reason to train again, however many rows show it."""


def measure(quick: bool) -> list[Measurement]:
    """Percent of runs with an alarm: first the false ones, then the right ones."""
    found = []
    for scenario in (UNCHANGED, *SCENARIOS):
        runs = (200 if scenario is UNCHANGED else 50) // (10 if quick else 1)
        ours, *peers = alarm_rates(scenario, runs)
        false = scenario in (UNCHANGED, WANDER)
        for name, peer in zip(PEERS, peers, strict=True):
            found.append(
                Measurement(
                    name=f"{'false' if false else 'right'} alarms: {scenario.name}",
                    unit="% of runs",
                    value=100 * ours,
                    samples=runs,
                    better="lower" if false else "higher",
                    peer=name,
                    peer_value=100 * peer,
                )
            )
    return found


def alarm_rates(scenario: Scenario, runs: int) -> list[float]:
    """Share of runs in which at least SHARE of the columns drifted, for each of METHODS."""
    alarms = np.zeros(len(METHODS))
    for run in range(runs):
        random = np.random.default_rng(run)
        pairs = [_pair(random, i, scenario) for i in range(COLUMNS)]
        for number, drifted in enumerate(METHODS):
            alarms[number] += np.mean([drifted(before, now) for before, now in pairs]) >= SHARE
    return [float(rate) for rate in alarms / runs]


def _pair(random: np.random.Generator, i: int, scenario: Scenario) -> tuple[Floats, Floats]:
    """Reference and present of column i; the columns that move are spread over the kinds."""
    place = i * 7 % COLUMNS
    moved = scenario.by if place < scenario.moved else 0.0
    before, now = (
        _column(i, random.standard_normal(rows) + shift, random)
        for rows, shift in ((REFERENCE_ROWS, 0.0), (scenario.rows, moved))
    )
    if place < scenario.lost:
        now[random.random(len(now)) < 0.2] = np.nan
    return before, now


def _column(i: int, z: Floats, random: np.random.Generator) -> Floats:
    """Column i as a monotone map of z: seven kinds, with a parameter that grows with i."""
    u, kind, size = stats.norm.cdf(z), i % 7, 1 + i // 7
    if kind in (0, 1):
        return np.asarray(stats.poisson.ppf(u, 0.3 * size * (1 + 3 * kind)), dtype=np.float64)
    if kind == 2:
        return np.asarray(np.where(u < 0.9, 0.0, np.exp(2 * z)), dtype=np.float64)
    if kind == 3:
        return np.asarray(stats.expon.ppf(u, scale=86_400 * size), dtype=np.float64)
    if kind == 4:
        return np.asarray(u > 0.2 * size, dtype=np.float64)
    if kind == 5:
        return np.full(len(z), 1.0) if size == 1 else z
    return np.asarray(np.where(random.random(len(z)) < 0.2 * size, np.nan, np.exp(size * z)), dtype=np.float64)


def by_index(before: Floats, now: Floats, threshold: float = PSI_THRESHOLD) -> bool:
    """Rapport's rule: the population stability index over the reference's bins, as Evidently computes it."""
    bins = number_bins(before)
    (one, two) = _shares(bins.label(before), bins.label(now))
    one, two = np.where(one == 0, 0.0001, one), np.where(two == 0, 0.0001, two)
    return bool(np.sum((one - two) * np.log(one / two)) >= threshold)


def by_evidently_default(before: Floats, now: Floats) -> bool:
    """What Evidently chooses by itself over 1,000 rows: Wasserstein distance in standard deviations, Jensen-Shannon
    distance for five values or fewer, each from 0.1; nulls are left out."""
    before, now = before[~np.isnan(before)], now[~np.isnan(now)]
    if len(np.unique(before)) > 5:
        return bool(stats.wasserstein_distance(before, now) / max(float(np.std(before)), 0.001) >= 0.1)
    return bool(distance.jensenshannon(*_shares(before, now)) >= 0.1)


def by_ks(before: Floats, now: Floats) -> bool:
    """A two-sample test at the usual level; nulls are left out."""
    return bool(stats.ks_2samp(before[~np.isnan(before)], now[~np.isnan(now)]).pvalue < 0.05)


METHODS: Sequence[Drifted] = (by_index, partial(by_index, threshold=0.2), by_evidently_default, by_ks)
PEERS = ("the same index from 0.2", "Evidently's default", "Kolmogorov-Smirnov, p < 0.05")
"""Names of all METHODS but the first."""


def _shares(before: npt.NDArray[np.generic], now: npt.NDArray[np.generic]) -> tuple[Floats, Floats]:
    """Share of each value that either side has."""
    values, codes = np.unique(np.concatenate([before, now]), return_inverse=True)
    one = np.bincount(codes[: len(before)], minlength=len(values)) / len(before)
    two = np.bincount(codes[len(before) :], minlength=len(values)) / len(now)
    return one, two
