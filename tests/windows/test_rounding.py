"""A mean is rounded once, also where doubles have fewer than 53 bits left."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np

from rapport.windows import Aggregation, Events, Kind, View, column_of, compile_view, read, update

PLAN = compile_view(View("small", {"x": Kind.FLOAT}, (Aggregation("mean", "mean", "x", None, None),)))


def _mean(numbers: list[float]) -> object:
    events = Events(np.zeros(len(numbers), np.int64), {"x": column_of(Kind.FLOAT, numbers)})
    return read(PLAN, update(PLAN, [None], np.zeros(len(numbers), np.int64), events), 0).row(0)["mean"]


def test_subnormal_means_are_the_nearest_double() -> None:
    rng = random.Random(5)
    cases = [[2.2250738585072014e-308, -0.0, 2.2250738585072014e-308], [5e-324, 0.0], [5e-324] * 3 + [0.0] * 2]
    cases += [
        [rng.uniform(-1, 1) * 2.0 ** -rng.randrange(1_015, 1_075) for _ in range(rng.randrange(2, 9))]
        for _ in range(500)
    ]
    for numbers in cases:
        exact = sum(map(Fraction, numbers), Fraction(0)) / len(numbers)
        assert _mean(numbers) == exact.numerator / exact.denominator, numbers
