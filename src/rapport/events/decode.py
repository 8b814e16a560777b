"""Strict decoding: raw bytes to an event, or an EventError that says what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from rapport.errors import EventError
from rapport.events.money import MAX_MICROS, micros
from rapport.events.refusal import explain
from rapport.events.schema import EVENT_TYPES, TOPICS, CustomerClick, Event, Feedback, PurchaseEvent

__all__ = ["MAX_EVENT_BYTES", "decode"]

MAX_EVENT_BYTES = 65_536
"""Largest event that is looked at, bytes of JSON."""

_FIRST_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_SAYS_SOMETHING = ("csat", "nps", "resolved", "resolution_time_s")


def decode(topic: str, raw: bytes) -> Event:
    """The event that `raw` is.

    Args:
        topic: a key of EVENT_TYPES.
        raw: JSON, UTF-8, at most MAX_EVENT_BYTES.

    Raises:
        EventError: reason unknown_topic, too_large, bad_json, missing_field, unknown_field, bad_value or no_customer.
    """
    decoder = _DECODERS.get(topic)
    if decoder is None:
        raise EventError("unknown_topic", "", f"there is no topic {topic[:80]!r}; topics are {', '.join(TOPICS)}")
    if len(raw) > MAX_EVENT_BYTES:
        raise EventError("too_large", "", f"the event has {len(raw):,} bytes; {MAX_EVENT_BYTES:,} are allowed")
    try:
        event: Event = decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise explain(topic, raw, error) from None
    if event.event_time < _FIRST_TIME:
        raise EventError("bad_value", "event_time", f"{event.event_time} is before 1970; give the time of the event")
    rule = _RULES.get(topic)
    if rule is not None:
        rule(event)
    return event


def _check_click(event: CustomerClick) -> None:
    if event.price is not None:
        if event.currency is None:
            raise EventError("missing_field", "currency", "price is given without its currency; give both or neither")
        if micros(event.price, "price") * event.quantity > MAX_MICROS:
            raise EventError("bad_value", "price", f"{event.price} x quantity {event.quantity} is too large an amount")
    elif event.currency is not None:
        raise EventError("missing_field", "price", "currency is given without a price; give both or neither")


def _check_purchase(event: PurchaseEvent) -> None:
    micros(event.amount, "amount")


def _check_feedback(event: Feedback) -> None:
    if event.csat is None and event.nps is None and event.resolved is None and event.resolution_time_s is None:
        raise EventError(
            "missing_field", "", f"the feedback says nothing; give at least one of {', '.join(_SAYS_SOMETHING)}"
        )


_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    topic: msgspec.json.Decoder(kind) for topic, kind in EVENT_TYPES.items()
}
_RULES: dict[str, Callable[[Any], None]] = {
    "customer_clicks": _check_click,
    "purchase_events": _check_purchase,
    "feedback": _check_feedback,
}
"""What a topic's struct cannot say of its events."""
