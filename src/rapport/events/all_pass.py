"""Whether a whole batch passes rapport.events.rules: for many events at a time, at a fraction of the cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from rapport.errors import EventError
from rapport.events.money import MAX_MICROS
from rapport.events.money_columns import micros_of
from rapport.events.rules import FIRST_TIME, is_currency, says_something
from rapport.events.schema import CustomerClick, Event, PurchaseEvent

__all__ = ["all_pass"]


def all_pass(topic: str, events: Sequence[Event]) -> bool:
    """Whether `check_event` would pass all of these events, none of whose texts has a control character; False:
    perhaps not, ask it of each."""
    if not events:
        return True
    rule = _RULES.get(topic)
    return min(event.event_time for event in events) >= FIRST_TIME and (rule is None or rule(events))


def _clicks(events: Sequence[CustomerClick]) -> bool:
    priced = [event for event in events if event.price is not None or event.currency is not None]
    if not priced:
        return True
    quantity = np.fromiter((event.quantity for event in priced), np.int64, len(priced))
    return _money([event.price for event in priced], [event.currency for event in priced], MAX_MICROS // quantity)


def _purchases(events: Sequence[PurchaseEvent]) -> bool:
    most = np.full(len(events), MAX_MICROS)
    return _money([event.amount for event in events], [event.currency for event in events], most)


def _money(amounts: Sequence[Decimal | None], currencies: Sequence[str | None], most: npt.NDArray[np.int64]) -> bool:
    try:
        micros, given = micros_of(amounts)
    except EventError:
        return False
    known = all(currency and is_currency(currency) for currency in set(currencies))
    return known and bool(given.all() and (micros <= most).all())


_RULES: dict[str, Callable[[Any], bool]] = {
    "customer_clicks": _clicks,
    "purchase_events": _purchases,
    "feedback": lambda events: all(map(says_something, events)),
}
