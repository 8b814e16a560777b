"""The naive oracle: what a window's features must be, from raw events, by exact rationals and no tiles at all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rapport.windows.view import Aggregation, Kind, View

__all__ = ["OracleEvent", "oracle"]

OracleEvent = tuple[str, int, Mapping[str, Any]]
"""(event_id, event_time_us, column values)."""


def oracle(view: View, events: Sequence[OracleEvent], as_of_us: int) -> tuple[str, dict[str, Any]]:
    """Status and features of one customer as of a time. A repeated event_id is one event sent twice."""
    known = list({event_id: (time, values) for event_id, time, values in events if time <= as_of_us}.values())
    nothing: dict[str, Any] = dict.fromkeys(a.name for a in view.aggregations)
    if not known:
        return "missing", nothing
    if view.ttl_us is not None and as_of_us - max(time for time, _ in known) > view.ttl_us:
        return "expired", nothing
    return "present", {a.name: _feature(view, a, known, as_of_us) for a in view.aggregations}


def _feature(view: View, a: Aggregation, known: list[tuple[int, Mapping[str, Any]]], as_of_us: int) -> Any:
    start = -math.inf
    if a.window_us is not None and a.slide_us is not None:
        start = (as_of_us - a.window_us) // a.slide_us * a.slide_us
    seen = [(time, values[a.column] if a.column else True) for time, values in known if time >= start]
    seen = [(time, value) for time, value in seen if value is not None]
    kind = view.kinds[a.column] if a.column else Kind.BOOL
    return _aggregate(a.function, kind, seen, as_of_us)


def _aggregate(function: str, kind: Kind, seen: list[tuple[int, Any]], as_of_us: int) -> Any:
    values = [value for _, value in seen]
    if function == "count":
        return len(values)
    if function == "count_distinct":
        return len(set(values))
    if function == "sum":
        if kind is Kind.DECIMAL:
            return sum(values, Decimal(0))
        total = sum(map(_rational, values), Fraction(0))
        return _float(total) if kind is Kind.FLOAT else int(total)
    if not values:
        return None
    if function == "mean":
        return _float(sum(map(_rational, values), Fraction(0)) / len(values))
    if function == "std":
        return _std(list(map(_rational, values)))
    if function == "min":
        return min(values)
    if function == "max":
        return max(values)
    if function == "time_since_last":
        return (as_of_us - max(time for time, _ in seen)) / 1e6
    ordered = sorted(seen, key=lambda pair: (pair[0], pair[1].encode() if isinstance(pair[1], str) else pair[1]))
    return ordered[0][1] if function == "first" else ordered[-1][1]


def _rational(value: float | Decimal) -> Fraction:
    """A float that is a decimal of at most 6 places (below 2^50 millionths) is that decimal; another is what it is."""
    if isinstance(value, Decimal):
        return Fraction(value)
    millionths = round(Fraction(value) * 1_000_000)
    if abs(millionths) <= 1 << 50 and millionths / 1e6 == value:
        return Fraction(millionths, 1_000_000)
    return Fraction(value)


def _std(values: list[Fraction]) -> float | None:
    if len(values) < 2:
        return None
    mean = sum(values, Fraction(0)) / len(values)
    variance = sum(((value - mean) ** 2 for value in values), Fraction(0)) / (len(values) - 1)
    if variance == 0:
        return 0.0
    # A square root of a rational to well over double precision, by integers.
    shift = 256 + max(0, variance.denominator.bit_length() - variance.numerator.bit_length())
    shift += shift & 1
    root = math.isqrt((variance.numerator << shift) // variance.denominator)
    return _float(Fraction(root, 1 << (shift // 2)))


def _float(value: Fraction) -> float:
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf
