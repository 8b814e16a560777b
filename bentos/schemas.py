"""Requests of the HTTP service. They are closed: a field that is not named here is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from rapport.chatbots.context import LEAST_TOKENS, MOST_TOKENS
from rapport.decisions.record import Money

__all__ = ["MOST_TURNS", "BatchRequest", "ContextRequest", "FeedbackRequest", "PersonalizeRequest", "SessionData"]

MOST_TURNS = 500
"""Of one batch."""
Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
SlotName = Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
Locale = Annotated[str, Meta(max_length=35, pattern=r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$")]


class SessionData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What the chatbot knows of this turn."""

    message: Annotated[str, Meta(max_length=4_000, description="What the customer has just written.")] | None = None
    channel: Annotated[str, Meta(max_length=64, description="web, app, whatsapp, …")] | None = None
    page: Annotated[str, Meta(max_length=256, description="Where the customer is looking.")] | None = None
    locale: Annotated[Locale, Meta(description="BCP 47, as `de-AT`; default: the profile's.")] | None = None
    message_time: (
        Annotated[
            datetime,
            Meta(tz=True, description="The message's event_time, when it is given as an event before this call."),
        ]
        | None
    ) = None
    slots: Annotated[
        dict[SlotName, Annotated[str, Meta(max_length=256)] | int | float | bool | Money | None],
        Meta(max_length=64, description="What the chatbot knows, by name; templates are filled from it."),
    ] = {}


class PersonalizeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One turn of a conversation."""

    customer_id: Annotated[Id, Meta(description="The shop's own id of the customer.")]
    session_data: SessionData = SessionData()


class BatchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Many turns, of as many customers. Each is checked by itself."""

    turns: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MOST_TURNS, description="Up to 500 of them.")]


class ContextRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What a language model should know of a customer, in so many tokens at most."""

    customer_id: Annotated[Id, Meta(description="The shop's own id of the customer.")]
    session_data: SessionData = SessionData()
    budget_tokens: Annotated[int, Meta(ge=LEAST_TOKENS, le=MOST_TOKENS, description="Most tokens of the text.")] = 300


class FeedbackRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What a customer said of an answer: at least one of csat, nps, resolved, resolution_time_s."""

    customer_id: Id
    decision_id: Id | None = None
    conversation_id: Id | None = None
    csat: Annotated[int, Meta(ge=1, le=5)] | None = None
    nps: Annotated[int, Meta(ge=0, le=10)] | None = None
    resolved: bool | None = None
    resolution_time_s: Annotated[float, Meta(ge=0, le=31_536_000)] | None = None
    event_time: Annotated[datetime, Meta(tz=True)] | None = None
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    """A repeated request with the same key has no effect for 10 minutes. The header Idempotency-Key does the same."""
