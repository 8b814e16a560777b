"""What the decision service answers beside decisions: events and feedback taken, and its own state."""

from __future__ import annotations

from typing import Literal

import msgspec

from rapport.decisions.record import Decision, DecisionRecord

__all__ = [
    "BatchAnswer",
    "BatchResult",
    "ContextAnswer",
    "DecisionExplained",
    "EventResult",
    "EventsAnswer",
    "FeedbackAnswer",
    "Health",
    "ModelHealth",
    "Readiness",
    "TurnRefused",
    "WebhookAnswer",
    "WebhookEvent",
    "WebhookProblem",
]


class DecisionExplained(msgspec.Struct, frozen=True):
    """What `GET /decisions/{decision_id}` answers."""

    decision: DecisionRecord
    """As it was logged."""
    words: list[str]
    """Why, in the order in which it was made."""


class TurnRefused(msgspec.Struct, frozen=True):
    """Why a turn of a batch was refused, as `POST /personalize` says it."""

    field: str
    """Dotted path within the turn; empty for the turn as a whole."""
    reason: str
    detail: str


class BatchResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one turn: its decision, or why it was refused."""

    decision: Decision | None = None
    error: TurnRefused | None = None


class BatchAnswer(msgspec.Struct, frozen=True):
    """What `POST /personalize/batch` answers: a result for each turn, in their order."""

    results: list[BatchResult]


class EventResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one event, by its place in the request."""

    index: int
    status: Literal["accepted", "refused"]
    field: str | None = None
    reason: str | None = None
    detail: str | None = None


class EventsAnswer(msgspec.Struct, frozen=True):
    """accepted + refused = the events given. Refused ones are kept among the dead letters, too."""

    accepted: int
    refused: int
    results: list[EventResult]


class FeedbackAnswer(msgspec.Struct, frozen=True):
    """The feedback is on the bus, under this event id."""

    event_id: str


class ContextAnswer(msgspec.Struct, frozen=True):
    """What a language model should know of a customer."""

    text: str
    """Lines, the most useful first."""
    tokens: int
    """Its tokens at most: not over the budget."""
    left_out: int
    """Lines that did not fit."""
    degraded: list[str]
    """As in a decision."""


class WebhookEvent(msgspec.Struct, frozen=True):
    """An event that a payload gave."""

    topic: str
    event_id: str


class WebhookProblem(msgspec.Struct, frozen=True):
    """Why no event could be made of a payload."""

    field: str
    reason: str
    detail: str


class WebhookAnswer(msgspec.Struct, frozen=True):
    """What became of a webhook's payload: it is on the bus, whatever the status."""

    source: str
    status: Literal["accepted", "ignored", "dead_letter"]
    """accepted: its events; ignored: the mapping says that it is nobody's; dead_letter: the payload as it came."""
    events: list[WebhookEvent] = []
    skipped: int = 0
    """Items without a customer, where the mapping says to skip those."""
    dead_letter: WebhookProblem | None = None


class ModelHealth(msgspec.Struct, frozen=True):
    """One model of the service."""

    loaded: bool
    version: str | None = None
    problem: str | None = None


class Readiness(msgspec.Struct, frozen=True):
    """What `GET /readyz` answers anybody in production."""

    ready: bool
    """Whether decisions are answered at all."""
    status: Literal["ok", "degraded", "starting", "stopping"]


class Health(Readiness, frozen=True):
    """What `GET /health` answers, and in development `GET /readyz`."""

    redis: bool
    bus: bool
    policy: bool
    """Whether the policy's files are right; if not, those that worked last decide."""
    features_current: bool
    """False: events wait and nobody computes features from them."""
    models: dict[str, ModelHealth]
    problems: list[str]
    policy_versions: dict[str, str] = {}
    """File of the policy to the version that decides."""
