"""What a platform asks: to decide on a turn, or to take feedback. Made from anything it may send; never refused.

A platform's request is not ours to refuse: a value that cannot be used (a customer id of 300 characters, a locale that
is none) is left out, and the turn is decided without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from rapport.chatbots.paths import text_of

__all__ = ["ANONYMOUS", "Asked", "Said", "Turn", "make_said", "make_turn"]

ANONYMOUS = "anonymous:"
"""What the customer id of a turn begins with when its platform names nobody; the platform's name follows. Nothing is
known of such a customer, and none of their messages is recorded."""

_MAX_ID = 128
_MAX_MESSAGE = 4_000
_MAX_CHANNEL = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LOCALE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
_MAX_LOCALE = 35
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation on a platform, within the limits of `POST /personalize`."""

    customer_id: str
    message: str | None = None
    channel: str | None = None
    locale: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    """The platform's, for messages that may come twice."""
    known: Mapping[str, Any] = {}
    """What the platform knows by name, as it came (rapport.chatbots.slots)."""

    @property
    def anonymous(self) -> bool:
        return self.customer_id.startswith(ANONYMOUS)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer said of an answer; values outside their limits are left out."""

    decision_id: str | None = None
    csat: int | None = None
    nps: int | None = None
    resolved: bool | None = None

    @property
    def empty(self) -> bool:
        return self.csat is None and self.nps is None and self.resolved is None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a request of a platform asks for."""

    kind: Literal["decide", "feedback", "nothing"]
    turn: Turn
    said: Said = Said()


def make_turn(
    platform: str,
    *,
    customer_id: object = None,
    message: object = None,
    channel: object = None,
    locale: object = None,
    conversation_id: object = None,
    message_id: object = None,
    known: Mapping[str, Any] = _NOTHING,
) -> Turn:
    """The turn of whatever a platform gave."""
    given = text_of(locale)
    return Turn(
        customer_id=_id(customer_id) or ANONYMOUS + platform,
        message=message[:_MAX_MESSAGE] if isinstance(message, str) and message.strip() else None,
        channel=_CONTROL.sub("", text_of(channel) or "")[:_MAX_CHANNEL] or platform,
        locale=given if given and len(given) <= _MAX_LOCALE and _LOCALE.fullmatch(given) else None,
        conversation_id=_id(conversation_id),
        message_id=_id(message_id),
        known=known,
    )


def make_said(values: Mapping[str, Any], prefix: str = "") -> Said:
    """Feedback from a platform's values: `csat` 1 to 5, `nps` 0 to 10, `resolved`, `decision_id`.

    Args:
        prefix: what may stand before each name; the plain name counts first, for the decision's id last.
    """
    resolved = values.get("resolved")
    return Said(
        decision_id=_id(values.get(f"{prefix}decision_id")) or _id(values.get("decision_id")),
        csat=_whole(values.get("csat"), 1, 5),
        nps=_whole(values.get("nps"), 0, 10),
        resolved=resolved if isinstance(resolved, bool) else None,
    )


def _id(value: object) -> str | None:
    text = text_of(value)
    return text if text and len(text) <= _MAX_ID and not _CONTROL.search(text) else None


def _whole(value: object, low: int, high: int) -> int | None:
    """A whole number within limits; also one that a form has as text or as a float."""
    text = text_of(value)
    if text is None or not text.strip().isdecimal() or len(text) > 4:
        return None
    number = int(text)
    return number if low <= number <= high else None
