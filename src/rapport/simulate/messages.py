"""Simulated events as messages of the bus."""

from __future__ import annotations

import msgspec

from rapport.bus.protocol import Message
from rapport.events.schema import Event

__all__ = ["to_message"]

_encode = msgspec.json.Encoder(decimal_format="string").encode


def to_message(topic: str, event: Event, origin: str = "") -> Message:
    """The event as producers send it: JSON, keyed by its customer."""
    return Message(topic, event.customer_id, _encode(event), origin)
