"""One good event per topic, as producers send it."""

from __future__ import annotations

from typing import Any

import msgspec

from rapport.clock import to_us
from rapport.events.decode import decode
from rapport.events.derive import derive
from rapport.events.schema import Event

COMMON = {"event_id": "e1", "customer_id": "c1", "event_time": "2025-03-01T12:00:00.25Z"}
GOOD: dict[str, dict[str, Any]] = {
    "customer_clicks": {
        **COMMON,
        "action": "cart_add",
        "product_id": "p1",
        "quantity": 3,
        "price": "12.5",
        "currency": "EUR",
    },
    "purchase_events": {
        **COMMON,
        "action": "order",
        "order_id": "o1",
        "amount": 10.25,
        "currency": "GBP",
        "quantity": 2,
    },
    "support_tickets": {**COMMON, "action": "opened", "ticket_id": "t1", "priority": "urgent", "category": "billing"},
    "chat_messages": {
        **COMMON,
        "role": "customer",
        "conversation_id": "v1",
        "text": "Where is my ORDER??",
        "locale": "en-GB",
    },
    "feedback": {**COMMON, "csat": 2, "resolved": False, "resolution_time_s": 12.5, "decision_id": "d1"},
}


def raw(topic: str, *without: str, **changes: Any) -> bytes:
    """A good event's bytes, with fields changed or left out."""
    event = {**GOOD[topic], **changes}
    return msgspec.json.encode({name: value for name, value in event.items() if name not in without})


def row(topic: str, *, arrival_us: int | None = None, **changes: Any) -> dict[str, Any]:
    """The checked row of a good event; it arrives when it happened unless told otherwise."""
    event = decode(topic, raw(topic, **changes))
    return row_of(topic, event, to_us(event.event_time) if arrival_us is None else arrival_us)


def row_of(topic: str, event: Event, arrival_us: int) -> dict[str, Any]:
    """The checked row of one event, by column.

    Raises:
        EventError: it is refused.
    """
    rows, refused = derive(topic, [event], [arrival_us])
    if refused:
        raise refused[0]
    (found,) = rows.to_pylist()
    return dict(found)
