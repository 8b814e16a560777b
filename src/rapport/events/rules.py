"""What a topic's struct cannot say of its events, or not fast enough: checked once the struct has been filled."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rapport.errors import EventError
from rapport.events.fields import patterns
from rapport.events.money import MAX_MICROS, check_amount
from rapport.events.refusal import refuse_value
from rapport.events.schema import EVENT_TYPES, CustomerClick, Event, Feedback, PurchaseEvent

__all__ = ["FIRST_TIME", "check_event", "is_currency", "says_something"]

FIRST_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MICROS = Decimal(MAX_MICROS)
_SAYS_SOMETHING = ("csat", "nps", "resolved", "resolution_time_s")


def check_event(topic: str, event: Event, *, plain: bool) -> None:
    """Refuse an event that its struct lets through.

    Args:
        topic: the event's topic.
        event: a struct of the topic's type.
        plain: no text of it can have a control character, so that ids need not be looked at.

    Raises:
        EventError: bad_value or missing_field.
    """
    if not plain:
        _check_ids(topic, event)
    if event.event_time < FIRST_TIME:
        raise EventError("bad_value", "event_time", f"{event.event_time} is before 1970; give the time of the event")
    rule = _RULES.get(topic)
    if rule is not None:
        rule(event)


def _check_ids(topic: str, event: Event) -> None:
    for name, pattern in _ID_FIELDS[topic]:
        value = getattr(event, name)
        # Whatever is printable has no control characters; the pattern decides of the rest.
        if value is not None and not value.isprintable() and not pattern.fullmatch(value):
            raise refuse_value(topic, name, value)


def _check_click(event: CustomerClick) -> None:
    if event.price is not None:
        if event.currency is None:
            raise EventError("missing_field", "currency", "price is given without its currency; give both or neither")
        _check_currency("customer_clicks", event.currency)
        if check_amount(event.price, "price") * event.quantity > _MAX_MICROS:
            raise EventError("bad_value", "price", f"{event.price} x quantity {event.quantity} is too large an amount")
    elif event.currency is not None:
        _check_currency("customer_clicks", event.currency)
        raise EventError("missing_field", "price", "currency is given without a price; give both or neither")


def _check_purchase(event: PurchaseEvent) -> None:
    _check_currency("purchase_events", event.currency)
    check_amount(event.amount, "amount")


def _check_currency(topic: str, currency: str) -> None:
    """The struct has seen to its length; a pattern in the struct would take longer than all the rest of the event."""
    if not is_currency(currency):
        raise refuse_value(topic, "currency", currency)


def is_currency(text: str) -> bool:
    """Whether a text of the right length has capital letters only."""
    return text.isascii() and text.isalpha() and text.isupper()


def _check_feedback(event: Feedback) -> None:
    if not says_something(event):
        raise EventError(
            "missing_field", "", f"the feedback says nothing; give at least one of {', '.join(_SAYS_SOMETHING)}"
        )


def says_something(event: Feedback) -> bool:
    """Whether it has at least one of the fields that feedback is about."""
    return not (event.csat is None and event.nps is None and event.resolved is None and event.resolution_time_s is None)


_RULES: dict[str, Callable[[Any], None]] = {
    "customer_clicks": _check_click,
    "purchase_events": _check_purchase,
    "feedback": _check_feedback,
}
_ID_FIELDS = {
    topic: [(name, re.compile(pattern)) for name, pattern in patterns(topic).items() if name != "currency"]
    for topic in EVENT_TYPES
}
"""The fields of a topic that may hold no control character."""
