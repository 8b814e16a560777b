"""Logged values against recomputed ones: the vectorized comparison is the naive one."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rapport.consistency.compare import MATCH, MISMATCH, MISSING, TOLERANCE, compare
from rapport.windows import Kind, column_of

_NUMBERS = st.sampled_from([0.0, -0.0, 1.0, 1.0 + 1e-12, 1.0 + 1e-6, -3.5, 1e300, 2.0**53]) | st.floats(
    allow_nan=False, allow_infinity=False
)
_VALUES = {
    Kind.INT: st.integers(-3, 3) | st.integers(-(2**53), 2**53),
    Kind.FLOAT: _NUMBERS,
    Kind.BOOL: st.booleans(),
    Kind.DECIMAL: st.integers(-(10**15), 10**15).map(lambda units: Decimal(units).scaleb(-3)),
    Kind.STRING: st.sampled_from(["", "a", "ä", "客户"]),
}


def naive(kind: Kind, logged: Any, found: Any) -> tuple[int, float]:
    """Outcome and difference of one pair."""
    if logged is None and found is None:
        return MATCH, math.nan
    if logged is None or found is None:
        return MISSING, math.nan
    if kind is Kind.STRING or isinstance(logged, str):
        return (MATCH if logged == found else MISMATCH), math.nan
    found = float(found)
    slack = TOLERANCE * max(abs(logged), abs(found)) if kind in (Kind.FLOAT, Kind.DECIMAL) else 0
    return (MATCH, math.nan) if abs(logged - found) <= slack else (MISMATCH, logged - found)


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[Kind, list[Any], list[Any]]:
    kind = draw(st.sampled_from(list(_VALUES)))
    values = st.none() | _VALUES[kind]
    pairs = draw(st.lists(st.tuples(values, values) | values.map(lambda value: (value, value)), max_size=12))
    logged = [float(a) if a is not None and kind is not Kind.STRING else a for a, _ in pairs]
    return kind, logged, [b for _, b in pairs]


@given(_pairs())
def test_as_the_naive_comparison(pairs: tuple[Kind, list[Any], list[Any]]) -> None:
    kind, logged, found = pairs
    compared = compare(logged, column_of(kind, found, 3 if kind is Kind.DECIMAL else 0))
    expected = [naive(kind, a, b) for a, b in zip(logged, found, strict=True)]
    assert compared.outcomes.tolist() == [outcome for outcome, _ in expected]
    for mine, (_, difference) in zip(compared.differences.tolist(), expected, strict=True):
        assert mine == difference or (math.isnan(mine) and math.isnan(difference))


def test_a_text_where_a_number_belongs_is_a_mismatch() -> None:
    compared = compare(["12", 12.0], column_of(Kind.INT, [12, 12]))
    assert compared.outcomes.tolist() == [MISMATCH, MATCH]
