"""Token buckets against a naive count of what a caller may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.access import LOCAL, Caller
from rapport.access.limits import BURST_S, Limits
from rapport.intake.refusal import Refusal


def let_through(limits: Limits, caller: Caller, now_s: float) -> bool:
    try:
        limits.take(caller, now_s)
    except Refusal as refusal:
        assert refusal.status == 429 and int(refusal.headers["Retry-After"]) >= 1
        return False
    return True


@given(
    rate=st.sampled_from([0.25, 1.0, 3.0, 50.0]),
    gaps=st.lists(st.sampled_from([0.0, 0.001, 0.125, 0.5, 1.0, 4.0]), max_size=120),
)
def test_never_more_than_rate_and_burst_in_any_span(rate: float, gaps: list[float]) -> None:
    limits, caller = Limits(), Caller("key:a", frozenset(), rate_per_s=rate)
    now, passed, asked = 1_000.0, [], []
    for gap in gaps:
        now += gap
        asked.append(now)
        if let_through(limits, caller, now):
            passed.append(now)
    size = max(1, int(rate * BURST_S))
    for at, start in enumerate(passed):
        for end_at in range(at, len(passed)):
            assert end_at - at + 1 <= size + (passed[end_at] - start) * rate + 1e-6
    # and whoever is within the rate is always let through
    assert not asked or asked[0] in passed


@given(st.integers(1, 200))
def test_who_keeps_to_the_rate_is_never_refused(count: int) -> None:
    limits, caller = Limits(), Caller("key:a", frozenset(), rate_per_s=4.0)
    assert all(let_through(limits, caller, 10.0 + n / 4) for n in range(count))


def test_callers_do_not_share_and_after_the_wait_it_goes_on() -> None:
    limits = Limits()
    one, two = (Caller(f"key:{name}", frozenset(), rate_per_s=1.0) for name in "ab")
    assert [let_through(limits, one, 5.0) for _ in range(3)] == [True, True, False]
    assert let_through(limits, two, 5.0)
    with pytest.raises(Refusal) as caught:
        limits.take(one, 5.0)
    assert let_through(limits, one, 5.0 + int(caught.value.headers["Retry-After"]))


def test_a_clock_that_stands_still_and_a_caller_without_a_rate() -> None:
    limits = Limits()
    assert limits.take(LOCAL, 1.0) == ()
    caller = Caller("key:a", frozenset(), rate_per_s=10.0)
    assert limits.take(caller, 1.0)[1] == ("RateLimit", '"caller";r=19;t=1')
    assert limits.take(caller, 0.5)[1] == ("RateLimit", '"caller";r=18;t=1')


@given(
    rate=st.sampled_from([1.0, 3.0, 10.0]),
    asked=st.lists(st.tuples(st.sampled_from([0.0, 0.25, 2.0]), st.integers(1, 24)), max_size=60),
)
def test_a_request_that_counts_as_many_is_as_many_or_none(rate: float, asked: list[tuple[float, int]]) -> None:
    """One by one in a bucket of its own: what is let through is what fits, and what never fits is told apart."""
    limits, caller = Limits(), Caller("key:a", frozenset(), rate_per_s=rate)
    size = int(rate * BURST_S)
    now, level = 1_000.0, float(size)
    for gap, count in asked:
        now, level = now + gap, min(size, level + gap * rate)
        expected = 429 if level < 1 else 400 if count > size else 429 if level < count else 200
        level -= count if expected == 200 else level >= 1
        try:
            limits.take(caller, now)
            limits.take(caller, now, count, counted=1)
            status = 200
        except Refusal as refusal:
            status = refusal.status
        assert status == expected
