"""The columns of each topic: what a checked event becomes, in the archive, on the checked topic and in the windows.

Columns named in BASE are there for every topic. The others are the event's own, or derived once at ingest:
a flag is true or null (so that `count` counts it), a share is true or false (so that `mean` is the share).
"""

from __future__ import annotations

from types import MappingProxyType

from rapport.windows.view import Kind

__all__ = ["BASE", "COLUMNS", "spark_ddl"]

BASE: dict[str, Kind] = {
    "event_id": Kind.STRING,
    "customer_id": Kind.STRING,
    "event_time_us": Kind.INT,
    "claimed_time_us": Kind.INT,
    "arrival_time_us": Kind.INT,
    "schema_version": Kind.INT,
}
"""`event_time_us` is the time that counts: the claimed one, clamped to the arrival."""

COLUMNS = MappingProxyType(
    {
        "customer_clicks": {
            "action": Kind.STRING,
            "product_id": Kind.STRING,
            "page": Kind.STRING,
            "session_id": Kind.STRING,
            "quantity": Kind.INT,
            "price_micros": Kind.INT,
            "currency": Kind.STRING,
            "view": Kind.BOOL,
            "cart_add": Kind.BOOL,
            "cart_remove": Kind.BOOL,
            "checkout": Kind.BOOL,
            "cart_product_id": Kind.STRING,
            "cart_micros": Kind.INT,
        },
        "purchase_events": {
            "action": Kind.STRING,
            "order_id": Kind.STRING,
            "cancelled_order_id": Kind.STRING,
            "product_id": Kind.STRING,
            "quantity": Kind.INT,
            "currency": Kind.STRING,
            "amount_micros": Kind.INT,
            "refund_micros": Kind.INT,
            "net_micros": Kind.INT,
            "order_day": Kind.INT,
        },
        "support_tickets": {
            "action": Kind.STRING,
            "ticket_id": Kind.STRING,
            "category": Kind.STRING,
            "priority": Kind.STRING,
            "opened": Kind.BOOL,
            "resolved": Kind.BOOL,
            "reopened": Kind.BOOL,
            "urgent": Kind.BOOL,
            "open_change": Kind.INT,
        },
        "chat_messages": {
            "role": Kind.STRING,
            "conversation_id": Kind.STRING,
            "channel": Kind.STRING,
            "locale": Kind.STRING,
            "text": Kind.STRING,
            "message": Kind.BOOL,
            "sentiment": Kind.FLOAT,
            "negative": Kind.BOOL,
            "frustration": Kind.FLOAT,
            "query": Kind.STRING,
            "text_model": Kind.STRING,
        },
        "feedback": {
            "csat": Kind.INT,
            "nps": Kind.INT,
            "resolved": Kind.BOOL,
            "resolution_time_s": Kind.FLOAT,
            "decision_id": Kind.STRING,
            "conversation_id": Kind.STRING,
            "low_csat": Kind.BOOL,
        },
    }
)
"""Topic to its own columns, in order, after BASE.

customer_clicks: view, cart_add, cart_remove, checkout are flags of the action; cart_product_id is the product of a
    cart_add; cart_micros is quantity x price, signed: plus for cart_add, minus for cart_remove.
purchase_events: order_id and amount_micros are null for a cancellation, cancelled_order_id and refund_micros for an
    order; net_micros is signed; order_day is the order's UTC day number since 1970 (null for a cancellation).
support_tickets: opened, resolved, reopened are flags of the action, urgent of tickets opened as urgent; open_change is
    +1 opened or reopened, -1 resolved.
chat_messages: message is a flag of the customer's own messages; sentiment (-1 to 1), negative (a share), frustration
    (0 to 1) and query (normalized text, to see repeats) are null for other roles, as is text_model, the version of the
    model that gave the frustration.
feedback: low_csat is a share: csat of 1 or 2; null without csat.
"""

_DDL = {Kind.INT: "bigint", Kind.FLOAT: "double", Kind.STRING: "string", Kind.BOOL: "boolean"}


def spark_ddl(topic: str) -> str:
    """The topic's columns as Feast's JsonFormat takes them: `name type, …` with Spark's type names."""
    columns = {**BASE, **COLUMNS[topic]}
    return ", ".join(f"{name} {_DDL[kind]}" for name, kind in columns.items())
