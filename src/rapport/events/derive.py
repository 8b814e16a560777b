"""From an event to its checked row: the columns of rapport.events.columns, derived once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from rapport.clock import to_us
from rapport.events.money import micros
from rapport.events.schema import ChatMessage, CustomerClick, Event, Feedback, PurchaseEvent, SupportTicket
from rapport.events.text import analyse
from rapport.events.times import event_times

__all__ = ["Row", "row_of"]

Row: TypeAlias = tuple[int | float | bool | str | None, ...]
"""Values in the order BASE, then COLUMNS of the topic."""

_DAY_US = 86_400_000_000
_OPEN_CHANGE = {"opened": 1, "reopened": 1, "resolved": -1}
_LOW_CSAT = 2


def row_of(topic: str, event: Event, arrival_us: int) -> Row:
    """The checked row of an event that `decode` accepted.

    Args:
        topic: the event's topic.
        event: the event.
        arrival_us: when the bus accepted it, in the world's time; microseconds, UTC.

    Raises:
        EventError: future_event.
    """
    time_us, claimed_us = event_times(to_us(event.event_time), arrival_us)
    base = (event.event_id, event.customer_id, time_us, claimed_us, arrival_us, event.schema_version)
    return base + _OWN[topic](event, time_us)


def _click(event: CustomerClick, _time_us: int) -> Row:
    action = event.action
    price = None if event.price is None else micros(event.price, "price")
    cart = action in ("cart_add", "cart_remove") and price is not None
    amount = event.quantity * (price or 0)
    return (
        action,
        event.product_id,
        event.page,
        event.session_id,
        event.quantity,
        price,
        event.currency,
        _flag(action == "view"),
        _flag(action == "cart_add"),
        _flag(action == "cart_remove"),
        _flag(action == "checkout"),
        event.product_id if action == "cart_add" else None,
        (amount if action == "cart_add" else -amount) if cart else None,
    )


def _purchase(event: PurchaseEvent, time_us: int) -> Row:
    amount = micros(event.amount, "amount")
    order = event.action == "order"
    return (
        event.action,
        event.order_id if order else None,
        None if order else event.order_id,
        event.product_id,
        event.quantity,
        event.currency,
        amount if order else None,
        None if order else amount,
        amount if order else -amount,
        time_us // _DAY_US if order else None,
    )


def _ticket(event: SupportTicket, _time_us: int) -> Row:
    return (
        event.action,
        event.ticket_id,
        event.category,
        event.priority,
        _flag(event.action == "opened"),
        _flag(event.action == "resolved"),
        _flag(event.action == "reopened"),
        _flag(event.action == "opened" and event.priority == "urgent"),
        _OPEN_CHANGE.get(event.action),
    )


def _message(event: ChatMessage, _time_us: int) -> Row:
    said = (event.role, event.conversation_id, event.channel, event.locale, event.text)
    if event.role != "customer":
        return (*said, None, None, None, None, None)
    signals = analyse(event.text)
    return (*said, True, signals.sentiment, signals.negative, signals.frustration, signals.query or None)


def _feedback(event: Feedback, _time_us: int) -> Row:
    return (
        event.csat,
        event.nps,
        event.resolved,
        event.resolution_time_s,
        event.decision_id,
        event.conversation_id,
        None if event.csat is None else event.csat <= _LOW_CSAT,
    )


def _flag(value: bool) -> bool | None:
    return True if value else None


_OWN: dict[str, Callable[[Any, int], Row]] = {
    "customer_clicks": _click,
    "purchase_events": _purchase,
    "support_tickets": _ticket,
    "chat_messages": _message,
    "feedback": _feedback,
}
