"""Generated cases for the oracle battery: short histories of a customer, made of what breaks window code.

Times lie at the edges of windows, tiles and the ttl and a microsecond beside them, or are equal, or very late; values
are the ends of their types, subnormals, negative zero, sums that cancel, and strings in every script.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rapport.testing.oracle import OracleEvent
from rapport.windows import Kind, View

__all__ = ["OracleCase", "customer_id", "generate_case"]

_DAY_US = 86_400_000_000
_LONGEST = 60
_FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
_IDS = ("{}", "客户 {}", "عميل\u200e{}", _FAMILY + "{}", "e\u0301{}", "\u00e9{}", " {} ", "{}'\"\\", "x" * 120 + "{}")
_STRINGS = (
    *(
        "",
        " ",
        "a",
        "b",
        "ab",
        "A",
        "e\u0301",
        "\u00e9",
        "ﬁ",
        "ß",
        "客户",
        "😀",
        _FAMILY,
        "שלום",
        "\u202eabc",
        "\u2028",
    ),
    *("\uffff", "\U0010ffff", "a" * 60, "a" * 59 + "b", "ü" * 300, "long " * 400),
)
_TOP = 2**63 - 1
_INTS = (0, 0, 1, -1, 2, 7, 1_000_000, 2**31, -(2**31), 2**53, 2**53 + 1, _TOP, _TOP - 1, -_TOP, -_TOP - 1, 2**62)
_FLOATS = (
    *(0.0, -0.0, 0.1, 0.2, -0.3, 1 / 3, 1.0, -1.0, 1e-6, 1e-7, 12.5, 1e9 + 1e-6, 1_125_899_906.842624, 2.0**53 + 2),
    *(5e-324, -5e-324, 2.2250738585072014e-308, 1e-300, -1e-300, 1e308, -1e308, 1.7976931348623157e308, 1e16, -1e16),
)


@dataclass(frozen=True, slots=True)
class OracleCase:
    """One customer, read once.

    Attributes:
        customer_id: unique within a battery.
        events: in order of arrival, none after `as_of_us`.
        future: events after `as_of_us`: history has them and must not look at them; the online store cannot.
        as_of_us: the time of the read.
    """

    customer_id: str
    events: list[OracleEvent]
    future: list[OracleEvent]
    as_of_us: int


def customer_id(number: int) -> str:
    """An id in one of many scripts, another for every number."""
    return _IDS[number % len(_IDS)].format(number)


def generate_case(view: View, kinds: Mapping[str, Kind], rng: random.Random, number: int, as_of_us: int) -> OracleCase:
    """A case of up to 60 events, most of them few.

    Args:
        kinds: the event columns to fill; about a fifth of the values are null.
        number: makes the customer's id.
    """
    tame = rng.random() < 0.3
    count = min(_LONGEST, int(rng.expovariate(1 / 9))) if rng.random() < 0.9 else rng.randrange(_LONGEST)
    events: list[OracleEvent] = []
    for place in range(count):
        time_us = events[-1][1] if events and rng.random() < 0.15 else _time(view, rng, as_of_us)
        events.append((f"e{place}", time_us, _values(view, kinds, rng, tame=tame)))
    future: list[OracleEvent] = [
        (f"f{place}", as_of_us + rng.choice((1, 2, rng.randrange(1, _DAY_US))), _values(view, kinds, rng, tame=tame))
        for place in range(rng.choice((0, 0, 1, 2)))
    ]
    return OracleCase(customer_id(number), events, future, as_of_us)


def _time(view: View, rng: random.Random, as_of_us: int) -> int:
    aggregation = rng.choice(view.aggregations)
    window, slide = aggregation.window_us or 50 * _DAY_US, aggregation.slide_us or _DAY_US
    beside = rng.choice((-1, 0, 1))
    choice = rng.random()
    if choice < 0.2:  # where a window begins
        time_us = (as_of_us - window) // slide * slide + rng.choice((0, 0, slide, -slide)) + beside
    elif choice < 0.4:  # where a tile begins
        time_us = (as_of_us - rng.randrange(window + slide)) // slide * slide + beside
    elif choice < 0.45:  # just now
        time_us = as_of_us - rng.choice((0, 0, 1))
    elif choice < 0.5 and view.ttl_us:
        time_us = as_of_us - view.ttl_us + beside
    elif choice < 0.55:  # years late
        time_us = as_of_us - rng.randrange(1_500 * _DAY_US)
    else:
        time_us = as_of_us - rng.randrange(window + window // 2)
    return max(0, min(time_us, as_of_us))


def _values(view: View, kinds: Mapping[str, Kind], rng: random.Random, *, tame: bool) -> dict[str, Any]:
    return {
        name: None if rng.random() < 0.2 else _value(kind, view.scales.get(name, 0), rng, tame=tame)
        for name, kind in kinds.items()
    }


def _value(kind: Kind, scale: int, rng: random.Random, *, tame: bool) -> Any:
    if kind is Kind.STRING:
        return rng.choice(_STRINGS[:8] if tame else _STRINGS)
    if kind is Kind.BOOL:
        return rng.random() < 0.5
    if kind in (Kind.INT, Kind.DECIMAL):
        number = rng.randrange(-50, 1_000) if tame else rng.choice(_INTS)
        return number if kind is Kind.INT else Decimal(number).scaleb(-scale)
    if tame:
        return round(rng.uniform(-1_000, 1_000), rng.choice((2, 3, 6)))
    return rng.choice(_FLOATS) if rng.random() < 0.8 else rng.uniform(-1, 1) * 10.0 ** rng.randrange(-320, 308)
