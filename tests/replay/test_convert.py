"""Values: what is converted to what, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.clock import from_us, to_us
from rapport.mapping.convert import CONVERTERS, decimal_text
from rapport.mapping.distinct import each, each_row
from rapport.mapping.rules import TimeRule
from rapport.mapping.times import TimeParser

GOOD: list[tuple[Any, Any, Any]] = [
    ("id", "17850.0", "17850"),
    ("id", 17850.0, "17850"),
    ("id", " A-1 ", "A-1"),
    ("id", "0001", "0001"),
    ("id", "12.50", "12.50"),
    ("integer", "6", 6),
    ("integer", "6.0", 6),
    ("integer", "-12", -12),
    ("decimal", "2.55", Decimal("2.55")),
    ("decimal", 2.55, Decimal("2.55")),
    ("number", "1e3", 1000.0),
    ("boolean", "Yes", True),
    ("boolean", 0, False),
    ("string", 5, "5"),
    ("string", True, "true"),
]

BAD = [
    ("integer", "6.5"),
    ("integer", "six"),
    ("integer", "1_000"),
    ("integer", "9" * 30),
    ("decimal", "1,5"),
    ("decimal", "NaN"),
    ("decimal", "1e99"),
    ("number", "inf"),
    ("boolean", "maybe"),
    ("string", [1]),
]


@pytest.mark.parametrize(("kind", "cell", "expected"), GOOD)
def test_converted(kind: Any, cell: object, expected: object) -> None:
    assert CONVERTERS[kind](cell) == expected
    assert type(CONVERTERS[kind](cell)) is type(expected)


@pytest.mark.parametrize(("kind", "cell"), BAD)
def test_refused_with_the_value_in_the_message(kind: Any, cell: object) -> None:
    with pytest.raises(ValueError, match=r"is not|has more|is neither"):
        CONVERTERS[kind](cell)


@given(st.decimals(min_value=-(10**17), max_value=10**17, places=6, allow_nan=False))
def test_money_is_exact_and_plain(number: Decimal) -> None:
    text = decimal_text(number)
    assert Decimal(text) == number
    assert "e" not in text.lower()


def test_more_than_six_decimals_are_refused_unless_they_are_zeros() -> None:
    assert Decimal(decimal_text(Decimal("1.2300000000"))) == Decimal("1.23")
    with pytest.raises(ValueError, match="more than 6 decimals"):
        decimal_text(Decimal("0.1234567"))


TIMES = [
    ("iso", "UTC", "2011-12-09T12:50:00+01:00", "2011-12-09T11:50:00Z"),
    ("iso", "Europe/London", "2011-06-09 12:50:00", "2011-06-09T11:50:00Z"),
    ("%d/%m/%Y %H:%M", "Europe/London", "09/12/2011 12:50", "2011-12-09T12:50:00Z"),
    ("%Y%m%d", "UTC", "19970101", "1997-01-01T00:00:00Z"),
    ("seconds", "UTC", "1659304800.5", "2022-07-31T22:00:00.500000Z"),
    ("milliseconds", "UTC", 1659304800025, "2022-07-31T22:00:00.025000Z"),
    ("microseconds", "UTC", "1659304800000001", "2022-07-31T22:00:00.000001Z"),
    ("%Y%m%d", "America/New_York", datetime(2024, 1, 1, 12, tzinfo=UTC), "2024-01-01T12:00:00Z"),
    # 01:30 comes twice on the night the clocks go back: the first one is meant
    ("iso", "Europe/London", "2011-10-30 01:30:00", "2011-10-30T00:30:00Z"),
]


@pytest.mark.parametrize(("pattern", "zone", "cell", "expected"), TIMES)
def test_times(pattern: str, zone: str, cell: object, expected: str) -> None:
    found = TimeParser(TimeRule(column="t", format=pattern, zone=zone))(cell)
    assert found.text == expected
    assert found.us == to_us(datetime.fromisoformat(expected))


@pytest.mark.parametrize("cell", ["yesterday", "", "2011-13-01", 1e30, float("nan"), None, True])
@pytest.mark.parametrize("pattern", ["iso", "milliseconds", "%Y-%m-%d"])
def test_times_that_are_none(pattern: str, cell: object) -> None:
    with pytest.raises(ValueError, match="is not a time in the format"):
        TimeParser(TimeRule(column="t", format=pattern))(cell)


@given(st.integers(0, 4_000_000_000_000_000))
def test_microseconds_come_back(time_us: int) -> None:
    found = TimeParser(TimeRule(column="t", format="microseconds"))(time_us)
    assert (found.us, datetime.fromisoformat(found.text)) == (time_us, from_us(time_us))


cells = st.lists(st.one_of(st.none(), st.sampled_from(["1", "1.0", "a"]), st.sampled_from([1, 1.0, True])))


@given(cells)
def test_once_per_distinct_value_is_the_same_as_each(column: list[Any]) -> None:
    assert each(repr, column) == [None if cell is None else repr(cell) for cell in column]
    assert each_row(repr, [column, column]) == [None if cell is None else repr((cell, cell)) for cell in column]
