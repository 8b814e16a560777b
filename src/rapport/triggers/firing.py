"""A firing: what a trigger says when it fires, as it lies on the topic `triggers` and is sent to the webhook."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from rapport.bus.protocol import Message
from rapport.clock import from_us
from rapport.decisions.record import Decision
from rapport.triggers.declared import Trigger
from rapport.triggers.file import TRIGGERS_TOPIC

__all__ = ["Firing", "make_firing", "to_message"]


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """One firing."""

    id: str
    """The same whenever this is fired again: from trigger, customer and the cause. For consumers to know repeats by."""
    trigger: str
    customer_id: str
    moment: datetime
    """The world's time as of which it is true."""
    fired_at: datetime
    """The world's time at which it was found out."""
    reason: str
    values: dict[str, Any]
    """What made it fire: columns of the event, features, limits."""
    cause: str = ""
    """The id of the event that is the cause; "" when time alone is."""
    decision: Decision | None = None
    """What was decided for the customer, of a trigger that asks for it."""


def make_firing(
    trigger: Trigger,
    customer: str,
    *,
    cause: str,
    key: object,
    moment_us: int,
    now_us: int,
    values: Mapping[str, Any],
) -> Firing:
    """A firing, its reason written out.

    Args:
        cause: an event's id, or "".
        key: what tells this firing from others of the trigger for the customer, the same if it is made again.
        moment_us, now_us: the world's time as of which it is true, and now; microseconds.
        values: by the names that the reason may use.
    """
    # Lengths in front, so that no two different triples are one text.
    text = "".join(f"{len(part)}:{part}" for part in (trigger.name, customer, str(key)))
    shown = {name: _words(value) for name, value in values.items()}
    return Firing(
        id=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        trigger=trigger.name,
        customer_id=customer,
        moment=from_us(moment_us),
        fired_at=from_us(now_us),
        reason=trigger.reason.format_map(shown),
        values=dict(values),
        cause=cause,
    )


def to_message(firing: Firing) -> Message:
    """The firing, ready for the bus."""
    return Message(TRIGGERS_TOPIC, firing.customer_id, msgspec.json.encode(firing))


def _words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return str(value)
