"""From values by name to the topic's struct: where the readers of all binary formats end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from rapport.errors import EventError
from rapport.events.refusal import explain_values
from rapport.events.schema import EVENT_TYPES, Event

__all__ = ["bad_payload", "fill", "time_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fill(topic: str, values: dict[str, Any]) -> Event:
    """The struct of a topic with these values, checked as strictly as JSON.

    Raises:
        EventError: missing_field, bad_value, no_customer.
    """
    try:
        return msgspec.convert(values, EVENT_TYPES[topic])
    except msgspec.ValidationError as error:
        raise explain_values(topic, values, error) from None


def time_of(us: int) -> datetime | int:
    """A time from microseconds since 1970; the number itself when it is no year's, for the struct to refuse."""
    try:
        # Days, seconds, microseconds: timedelta takes long over a number of microseconds that is no int of C.
        return _EPOCH + timedelta(0, us // 1_000_000, us % 1_000_000)
    except OverflowError:
        return us


def bad_payload(name: str, error: Exception) -> EventError:
    """The refusal of bytes that the schema `name` does not describe."""
    text = f"{type(error).__name__} {error}".strip()[:120]
    return EventError("bad_payload", "", f"the bytes are not what {name} describes: {text}")
