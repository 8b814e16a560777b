"""Typed conversions of single values, from a file's cell to what an event's JSON holds.

Each takes a cell that is not missing (text from CSV; text, number, boolean or time from JSON and Parquet) and raises
ValueError with a sentence for people when it cannot be converted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from rapport.mapping.rules import ValueType

__all__ = ["CONVERTERS", "Cell", "as_decimal", "as_id", "as_text", "decimal_text", "quoted"]

Cell = object
_WHOLE = re.compile(r"^[+-]?[0-9]{1,18}$")
_INTEGRAL = re.compile(r"^-?\d+\.0+$")
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_MAX_DECIMALS = 6
_MAX_DIGITS = 18


def quoted(value: Cell) -> str:
    """The value for an error message, at most 80 characters of it."""
    text = value if isinstance(value, str) else repr(value)
    return repr(text if len(text) <= 80 else text[:77] + "...")


def as_text(value: Cell) -> str:
    """Text as it is, less white space at its ends; numbers as they are written; times in ISO."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise ValueError(f"{quoted(value)} is not a single value")


def as_id(value: Cell) -> str:
    """An id: text, where a whole number written as a float (`17850.0`) is the whole number (`17850`)."""
    text = as_text(value)
    return text.partition(".")[0] if _INTEGRAL.match(text) else text


def as_integer(value: Cell) -> int:
    text = as_id(value)
    if not _WHOLE.match(text):
        raise ValueError(f"{quoted(value)} is not a whole number of at most {_MAX_DIGITS} digits")
    return int(text)


def as_decimal(value: Cell) -> Decimal:
    """An exact decimal of at most 18 digits before the point."""
    try:
        number = Decimal(as_text(value))
    except InvalidOperation:
        raise ValueError(f"{quoted(value)} is not a decimal number") from None
    if not number.is_finite() or number.adjusted() >= _MAX_DIGITS:
        raise ValueError(f"{quoted(value)} is not a number of at most {_MAX_DIGITS} digits")
    return number


def decimal_text(number: Decimal) -> str:
    """A decimal as events carry money: plain digits, no exponent.

    Raises:
        ValueError: more than 6 decimals, or 18 digits before the point.
    """
    if number.adjusted() >= _MAX_DIGITS:
        raise ValueError(f"{number:.6E} has more than {_MAX_DIGITS} digits")
    text = format(number, "f")
    if len(text.partition(".")[2]) > _MAX_DECIMALS:
        text = text.rstrip("0")
        if len(text.partition(".")[2]) > _MAX_DECIMALS:
            raise ValueError(f"{quoted(text)} has more than {_MAX_DECIMALS} decimals")
    return text


def as_number(value: Cell) -> float:
    try:
        number = float(as_text(value))
    except ValueError:
        raise ValueError(f"{quoted(value)} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{quoted(value)} is not a finite number")
    return number


def as_boolean(value: Cell) -> bool:
    text = as_text(value).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"{quoted(value)} is neither true nor false (yes, no, 1 and 0 are understood)")


CONVERTERS: dict[ValueType, Callable[[Cell], object]] = {
    "string": as_text,
    "id": as_id,
    "integer": as_integer,
    "decimal": as_decimal,
    "number": as_number,
    "boolean": as_boolean,
}
