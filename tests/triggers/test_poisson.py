"""The lower tail of Poisson's distribution, against exact sums."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.triggers.poisson import chance_of_at_most


@given(mean=st.integers(1, 300), count=st.integers(0, 300))
def test_as_the_exact_sum(mean: int, count: int) -> None:
    if count >= mean:
        assert chance_of_at_most(count, mean) == 1.0
        return
    total = sum(Fraction(mean**k, math.factorial(k)) for k in range(count + 1))
    exact = math.exp(math.log(total.numerator) - math.log(total.denominator) - mean)
    assert chance_of_at_most(count, mean) == pytest.approx(exact, rel=1e-9)


def test_nothing_expected_and_very_much_expected() -> None:
    assert chance_of_at_most(0, 0) == 1.0
    assert chance_of_at_most(0, 5) == pytest.approx(math.exp(-5))
    assert chance_of_at_most(-1, 5) == 0.0
    assert chance_of_at_most(900_000, 1_000_000) < 1e-300
    assert chance_of_at_most(999_000, 1_000_000) == pytest.approx(0.1587, rel=0.01)
