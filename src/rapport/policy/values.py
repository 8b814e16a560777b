"""Values of placeholders: what a slot or a fact must be to be one of a type, and how each type reads in a locale.

Numbers, money and times are written by Babel, from Unicode's CLDR. A value is data: whatever it holds, it is put into
the text as it is, without the characters that cannot be seen, and cut at TEXT_LIMIT.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Literal, TypeAlias

from babel import Locale, UnknownLocaleError
from babel import dates as dates
from babel import numbers as numbers

from rapport.decisions.record import Money, SlotValue

__all__ = ["KINDS", "TEXT_LIMIT", "Kind", "Unusable", "Value", "fact_value", "find_locale", "slot_value", "written"]

Kind = Literal["text", "integer", "decimal", "percent", "money", "date", "time", "datetime"]
KINDS: tuple[Kind, ...] = ("text", "integer", "decimal", "percent", "money", "date", "time", "datetime")
Value: TypeAlias = str | int | Decimal | Money | date | time | datetime
TEXT_LIMIT = 80
_LARGEST = Decimal(10) ** 15
_PLACES = 6
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
_EPOCH = date(1970, 1, 1)
_LAST_DAY = (date.max - _EPOCH).days


class Unusable(ValueError):  # noqa: N818 - a state of a value, named as its callers read it
    """Why a slot's value is not of its placeholder's type."""


def slot_value(kind: Kind, given: SlotValue) -> Value:
    """The value of a slot that the chatbot filled; numbers and times may be texts.

    Raises:
        Unusable
    """
    return _SLOTS[kind](given)


def fact_value(kind: Kind, fact: object, currency: str | None) -> Value:
    """The value of a fact of the turn: text, integer, percent and decimal as they are, money of micros, a date of days
    since 1970."""
    if kind == "money":
        return Money(Decimal(str(fact)) / 1_000_000, currency or "")
    if kind == "date":
        return _EPOCH + timedelta(days=min(max(int(str(fact)), 0), _LAST_DAY))
    if kind == "integer":
        return int(str(fact))
    return _clean(str(fact)) if kind == "text" else Decimal(str(fact))


def written(kind: Kind, value: Value, locale: Locale) -> str:
    """A value as people of a locale write it."""
    return _WRITTEN[kind](value, locale)


@lru_cache(maxsize=512)
def find_locale(name: str) -> Locale | None:
    """The locale of a BCP 47 name, or of its language; None when neither is known."""
    parts = name.replace("_", "-").split("-")
    for candidate in ("-".join(parts), parts[0]):
        try:
            return Locale.parse(candidate, sep="-")
        except (UnknownLocaleError, ValueError, TypeError):
            continue
    return None


def _text(given: SlotValue) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise Unusable("a text is needed")
    clean = _clean(str(given))
    if not clean:
        raise Unusable("the text is empty")
    return clean


def _clean(text: str) -> str:
    seen = "".join(character for character in text if character.isprintable()).strip()
    return seen if len(seen) <= TEXT_LIMIT else seen[: TEXT_LIMIT - 1] + "…"


def _decimal(given: SlotValue) -> Decimal:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise Unusable("a number is needed")
    if isinstance(given, float) and not math.isfinite(given):
        raise Unusable("a number is needed")
    return _checked(str(given))


def _checked(text: str) -> Decimal:
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        raise Unusable(f"{_clean(text)!r} is not a number; write it as 12.5") from None
    if not found.is_finite() or abs(found) >= _LARGEST:
        raise Unusable("the number is too large: it must be below 10^15")
    if found != round(found, _PLACES):
        raise Unusable(f"the number has more than {_PLACES} decimals")
    return found


def _integer(given: SlotValue) -> int:
    found = _decimal(given)
    if found != int(found):
        raise Unusable(f"{found} is not a whole number")
    return int(found)


def _money(given: SlotValue) -> Money:
    if not isinstance(given, Money):
        raise Unusable('money is needed, as {"amount": "12.50", "currency": "EUR"}')
    if not numbers.is_currency(given.currency):
        raise Unusable(f"{given.currency!r} is not a currency")
    return Money(_checked(str(given.amount)), given.currency)


def _date(given: SlotValue) -> date:
    if isinstance(given, str) and len(given) == 10:
        try:
            return date.fromisoformat(given)
        except ValueError:
            pass
    raise Unusable("a date is needed, as 2026-12-24")


def _time(given: SlotValue) -> time:
    if isinstance(given, str) and _TIME.fullmatch(given):
        return time.fromisoformat(given)
    raise Unusable("a time of the day is needed, as 14:30")


def _datetime(given: SlotValue) -> datetime:
    if isinstance(given, str):
        try:
            found = datetime.fromisoformat(given)
        except ValueError:
            found = None
        if found is not None and found.tzinfo is not None:
            return found
    raise Unusable("a time with its offset is needed, as 2026-12-24T14:30:00+01:00")


def _moment(value: datetime, locale: Locale) -> str:
    there = value.replace(tzinfo=None)  # shown as it was given, in its own offset
    pattern = str(dates.get_datetime_format("medium", locale)).replace("'", "")
    day, clock = dates.format_date(there, "long", locale), dates.format_time(there, "short", locale=locale)
    return pattern.replace("{1}", day).replace("{0}", clock)


_SLOTS: dict[Kind, Callable[[SlotValue], Value]] = {
    "text": _text,
    "integer": _integer,
    "decimal": _decimal,
    "percent": _decimal,
    "money": _money,
    "date": _date,
    "time": _time,
    "datetime": _datetime,
}
_WRITTEN: dict[Kind, Callable[[Value, Locale], str]] = {
    "text": lambda value, locale: str(value),
    "integer": lambda value, locale: numbers.format_decimal(value, locale=locale),  # type: ignore[arg-type]
    "decimal": lambda value, locale: numbers.format_decimal(value, locale=locale, decimal_quantization=False),  # type: ignore[arg-type]
    "percent": lambda value, locale: numbers.format_percent(value, locale=locale),  # type: ignore[arg-type]
    "money": lambda value, locale: numbers.format_currency(value.amount, value.currency, locale=locale),  # type: ignore[union-attr]
    "date": lambda value, locale: dates.format_date(value, "long", locale=locale),  # type: ignore[arg-type]
    "time": lambda value, locale: dates.format_time(value, "short", locale=locale),  # type: ignore[arg-type]
    "datetime": _moment,  # type: ignore[dict-item]
}
