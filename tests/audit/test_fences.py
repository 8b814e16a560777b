"""Fences hold what they promise: learned spread, few false alarms, real changes outside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.audit.fences import count_fence, empty_chance, rare_fence, share_fence, spread_of

DAYS = 28


def _days(random: np.random.Generator, share: float, rows: int, between: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Part and whole of days whose share wanders by `between` on the arcsine scale."""
    shares = np.sin(np.clip(np.arcsin(np.sqrt(share)) + between * random.standard_normal(DAYS), 0, np.pi / 2)) ** 2
    whole = random.poisson(rows, DAYS) + 1
    return random.binomial(whole, shares), whole


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=28), st.integers(1, 10_000))
def test_a_fence_is_around_what_history_leads_to_expect(days: list[tuple[int, int]], rows: int) -> None:
    part, more = (np.array(side) for side in zip(*days, strict=True))
    fence = share_fence(part, part + more, rows)
    if (part + more > 0).sum() < 7:
        assert fence is None
        return
    assert fence
    assert 0 <= fence.low <= fence.expected <= fence.high <= 1
    if part.sum() == 0:
        assert (fence.low, fence.expected) == (0, 0)
    other = share_fence(more, part + more, rows)
    assert other
    # What is not of the part is judged alike. (Which days are furthest out may be a tie.)
    assert other.high >= other.expected >= other.low


def test_days_that_differ_beyond_chance_widen_the_fence() -> None:
    random = np.random.default_rng(1)
    calm, moving = (share_fence(*_days(random, 0.3, 20_000, between), 20_000) for between in (0.0, 0.03))
    assert calm and moving
    assert calm.high - calm.low < 0.05 < moving.high - moving.low
    assert calm.leaves(0.33) == 1 and calm.leaves(0.27) == -1 and not moving.leaves(0.33)


def test_a_bad_day_in_history_does_not_become_usual() -> None:
    part, whole = _days(np.random.default_rng(2), 0.02, 5_000)
    clean = share_fence(part, whole, 5_000)
    part[3] = whole[3]
    marred = share_fence(part, whole, 5_000)
    assert clean and marred
    assert abs(marred.high - clean.high) < 0.01 and marred.leaves(0.05) == 1


def test_what_is_rare_needs_some_events_to_be_told() -> None:
    fence = share_fence(np.zeros(28, int), np.full(28, 1_000), 1_000)
    assert fence
    assert not fence.leaves(5 / 1_000) and fence.leaves(20 / 1_000) == 1
    assert rare_fence(0).leaves(5) == 0 and rare_fence(0).leaves(12) == 1 and rare_fence(100).leaves(120) == 0


@pytest.mark.parametrize("between", [0.0, 0.1, 0.3])
def test_the_spread_of_counts_is_found(between: float) -> None:
    random = np.random.default_rng(3)
    found = []
    for _ in range(40):
        days = random.poisson(5_000 * np.exp(between * random.standard_normal(DAYS)))
        found.append(np.sqrt(spread_of(np.stack([days[:21], days[7:]], axis=-1)) or 0))
    assert abs(np.mean(found) - between) < 0.03


def test_a_count_is_judged_by_the_same_weekday() -> None:
    weeks = np.array([1_000, 1_030, 980, 1_010])
    fence = count_fence(weeks, 0.001, 21)
    assert fence.expected == 1_005 and fence.leaves(1_100) == 0
    assert fence.leaves(500) == -1 and fence.leaves(2_000) == 1 and fence.leaves(0) == -1
    assert count_fence(np.array([2]), 0.0, 21).leaves(0) == 0


def test_an_empty_hour_is_no_wonder_where_few_come() -> None:
    assert empty_chance(np.array([2, 3, 2, 3]), 0.0) > 0.01
    assert empty_chance(np.array([60, 50, 55, 58]), 0.01) < 1e-9
    assert empty_chance(np.array([60, 50, 55, 58]), 4.0) > 0.01
    # Without any spread, and with weeks without end, it is Poisson's.
    assert empty_chance(np.full(1_000_000, 8), 0.0) == pytest.approx(np.exp(-8), rel=1e-3)
    assert spread_of(np.zeros((21, 2), int)) == 0.0 and spread_of(np.zeros((6, 2), int)) is None
