"""How likely so few events are, at a known rate."""

from __future__ import annotations

import math

__all__ = ["chance_of_at_most"]


def chance_of_at_most(count: float, mean: float) -> float:
    """P(X <= count) of a Poisson variable X with this mean, to about 1e-12; 1 where the count is not below the mean
    (which is then no drop).

    Summed from the count downwards: below the mean the terms shrink, so the sum ends early.
    """
    if count >= mean:
        return 1.0
    k = math.floor(count)
    if k < 0:
        return 0.0
    # In logarithms, for both the power and the factorial soon leave the doubles.
    term = math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))
    total = 0.0
    while k >= 0 and term > total * 1e-15:
        total += term
        term *= k / mean
        k -= 1
    return min(1.0, total)
