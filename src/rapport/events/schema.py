"""The five event types: one struct per type, as producers send it in JSON.

Structs are closed (unknown fields are refused) and bounded. `schema_version` is 1. Times are RFC 3339 with an offset.
Money is a decimal string or number with at most 6 decimals; columns carry it in micros (millionths of the major unit).
A type's columns, what the archive and the windows see, are declared beside its struct.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "EVENT_TYPES",
    "TOPICS",
    "ChatMessage",
    "CustomerClick",
    "Event",
    "Feedback",
    "PurchaseEvent",
    "SupportTicket",
]

Id = Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema={"pattern": r"^[^\x00-\x1f\x7f]+$"})]
"""The pattern is for whoever reads the schema; rapport.events.rules holds to it, several times faster than a regular
expression for each field does."""
ShortText = Annotated[str, Meta(max_length=256)]
Currency = Annotated[str, Meta(min_length=3, max_length=3, extra_json_schema={"pattern": "^[A-Z]{3}$"})]
Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """What every event has."""

    event_id: Id
    customer_id: Id
    event_time: Annotated[datetime, Meta(tz=True)]
    schema_version: Literal[1] = 1


class CustomerClick(Event, frozen=True, kw_only=True, gc=False):
    """customer_clicks: a page or product viewed, a cart changed, a checkout begun."""

    action: Literal["view", "cart_add", "cart_remove", "checkout"]
    product_id: Id | None = None
    page: ShortText | None = None
    quantity: Quantity = 1
    price: Decimal | None = None
    """Price of one unit, in the major unit of `currency`."""
    currency: Currency | None = None
    session_id: Id | None = None


class PurchaseEvent(Event, frozen=True, kw_only=True, gc=False):
    """purchase_events: one line of an order, or of a cancellation. `amount` is the whole line's, never negative."""

    action: Literal["order", "cancellation"]
    order_id: Id
    amount: Decimal
    currency: Currency
    product_id: Id | None = None
    quantity: Quantity = 1


class SupportTicket(Event, frozen=True, kw_only=True, gc=False):
    """support_tickets: a change of state of one ticket."""

    action: Literal["opened", "updated", "resolved", "reopened"]
    ticket_id: Id
    category: ShortText | None = None
    priority: Literal["low", "normal", "high", "urgent"] = "normal"


class ChatMessage(Event, frozen=True, kw_only=True, gc=False):
    """chat_messages: one message of a conversation."""

    role: Literal["customer", "assistant", "agent"]
    conversation_id: Id
    text: Annotated[str, Meta(min_length=1, max_length=4_000)]
    channel: ShortText | None = None
    locale: Annotated[str, Meta(max_length=35)] | None = None


class Feedback(Event, frozen=True, kw_only=True, gc=False):
    """feedback: what a customer said of an answer; at least one of csat, nps, resolved, resolution_time_s."""

    csat: Annotated[int, Meta(ge=1, le=5)] | None = None
    nps: Annotated[int, Meta(ge=0, le=10)] | None = None
    resolved: bool | None = None
    resolution_time_s: Annotated[float, Meta(ge=0, le=31_536_000)] | None = None
    decision_id: Id | None = None
    conversation_id: Id | None = None


EVENT_TYPES: dict[str, type[Event]] = {
    "customer_clicks": CustomerClick,
    "purchase_events": PurchaseEvent,
    "support_tickets": SupportTicket,
    "chat_messages": ChatMessage,
    "feedback": Feedback,
}
"""Topic to struct."""

TOPICS = tuple(EVENT_TYPES)
