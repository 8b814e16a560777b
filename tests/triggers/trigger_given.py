"""Triggers and events to try them on."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from rapport.testing.blocks import rows_of
from rapport.triggers.declared import Trigger
from rapport.triggers.load import parse_triggers

SECOND = 1_000_000
NOW = 1_740_830_400 * SECOND

CART = """
version: 1
triggers:
  - name: cart
    absence:
      after: {topic: customer_clicks, where: {action: cart_add}}
      without:
        - {topic: customer_clicks, where: {action: checkout}}
        - {topic: purchase_events, where: {action: order}}
      for: 30 s
    columns: [product_id]
    quiet: 40 s
    expires: 100 s
    reason: "{product_id} was put into the cart at {event_time}, then nothing for {for}"
  - name: urgent
    event: {topic: customer_clicks, where: {action: [view], quantity: {at_least: 2}}}
    quiet: 20 s
    expires: 50 s
    reason: "looked at {event_time}"
"""


def cart_triggers() -> tuple[Trigger, ...]:
    return parse_triggers(CART).triggers


def rows(topic: str, *events: dict[str, Any]) -> pa.RecordBatch:
    """Rows of events: event_id, customer_id, event_time_us and what the topic has; they arrive when they happen."""
    return rows_of(
        topic,
        [{"schema_version": 1, "arrival_time_us": event["event_time_us"], **event} for event in events],
    )


def click(event_id: str, customer: str, time_us: int, action: str = "cart_add", **more: Any) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "customer_id": customer,
        "event_time_us": time_us,
        "action": action,
        "quantity": 1,
        "product_id": f"p-{event_id}",
        **more,
    }
