"""What a decision is: the answer that a chatbot gets, and the record of it that is logged."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rapport.clock import to_us

__all__ = [
    "Ask",
    "Chosen",
    "Decision",
    "DecisionRecord",
    "FeatureValue",
    "FiredTrigger",
    "Money",
    "Reason",
    "RenderedTemplate",
    "Sentiment",
    "Session",
    "Signals",
    "SlotValue",
    "decode_record",
    "encode_record",
    "record_row",
]

FeatureValue = float | str | None
Label = Literal["positive", "neutral", "negative"]


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount of a currency: exact, in its major unit."""

    amount: Annotated[Decimal, Meta(description="A decimal, as text or number.")]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]


SlotValue = str | int | float | bool | Money | None


class Sentiment(msgspec.Struct, frozen=True):
    """Label and score of the message, or of the last hour's conversation when there is none."""

    label: Label = "neutral"
    score: float = 0.0
    """-1 (negative) to 1 (positive)."""


class Reason(msgspec.Struct, frozen=True):
    """One feature's part in one model's score."""

    model: str
    feature: str
    """Full name, `view__feature`."""
    value: float | None
    contribution: float
    """In log-odds; positive raises the score."""
    text: str
    """The same in words."""


class RenderedTemplate(msgspec.Struct, frozen=True):
    """The response template's text in the nearest locale that it has."""

    locale: str
    text: str | None
    """null when something has to be asked for first (`ask`)."""


class Ask(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value that the template needs and that nobody has given: ask the customer, and send it in `slots`."""

    name: str
    """Its name among the slots."""
    type: str
    """text, integer, decimal, percent, money, date, time or datetime."""
    question: str
    """What to ask, in the template's locale."""
    problem: str | None = None
    """Why the value that was given cannot be used."""


class Chosen(msgspec.Struct, frozen=True):
    """An offer or an action that the policy declares."""

    id: str
    values: dict[str, str | int | float | bool] = {}
    """What the policy declares of it."""


class Signals(msgspec.Struct, frozen=True):
    """What the message of this turn says of its writer; the message itself is not kept."""

    sentiment: float
    label: Label
    frustration: float
    """The greater of the message's by itself, and of the message's within the last hour's conversation."""
    intent: str | None = None
    repeat: bool = False
    """Whether it repeats a question of the last 10 minutes."""
    repeats: int = 0
    """Questions of the last 10 minutes, with this one, beyond the distinct ones."""


class Session(msgspec.Struct, frozen=True):
    """What the chatbot said of this turn, beside the message."""

    channel: str | None = None
    page: str | None = None
    locale: str | None = None
    slots: dict[str, SlotValue] = {}


class FiredTrigger(msgspec.Struct, frozen=True):
    """The firing of a trigger that a decision was made for."""

    name: str
    firing_id: str = ""
    """"" as the reason is, when the customer's data may not be logged."""
    reason: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What `POST /personalize` answers."""

    decision_id: str
    as_of: datetime
    """The time that the features were read for: UTC."""
    segment: str
    """The customer's RFM segment; "Unknown" without purchases, features or segments."""
    activity: str | None
    """The cluster of the customer's recent activity; null when it is not known."""
    sentiment: Sentiment
    scores: dict[str, float]
    """Model name to probability; a model that could not score is absent, and named in `degraded`."""
    tone: str
    template_id: str
    template: RenderedTemplate
    rule: str
    """The policy's rule that chose tone and template."""
    reasons: list[Reason]
    model_versions: dict[str, str]
    feature_age_s: float | None
    """Seconds from the customer's newest event to `as_of`; null when no feature was found."""
    degraded: list[str]
    """Stable codes of what was missing (rapport.decisions.degraded); empty in the normal case."""
    intent: str | None = None
    """What the message wants; null without a message, or when no declared intent fits."""
    ask: list[Ask] = []
    """What to ask the customer for before the template can be said."""
    offer: Chosen | None = None
    next_action: Chosen = Chosen("answer")
    """What to do next."""
    policy_version: str = ""
    """The policy's declared version, a hyphen, and the beginning of its file's SHA-256."""
    templates_version: str = ""


class DecisionRecord(Decision, frozen=True, kw_only=True):
    """A decision as it is logged: the answer, and what it was made from.

    `customer_id` is "" and nothing personal is kept when the customer has not consented, or when that is not known.
    """

    customer_id: str
    features: dict[str, FeatureValue]
    """Full name to value; numbers are floats, booleans 0 or 1."""
    latency_ms: float
    views: dict[str, str] = {}
    """Windowed view to the print of the definition that it was read with, as rapport.consistency keeps it."""
    rebuilding: tuple[str, ...] = ()
    """Windowed views whose rows did not all hold their customers' past yet: features may be null for that."""
    clock_rate: float = 1.0
    """Seconds of the world's clock per second of the machine, when the decision was made."""
    signals: Signals | None = None
    session: Session = Session()
    absent: tuple[str, ...] = ()
    """Views that had nothing on the customer."""
    trigger: FiredTrigger | None = None
    """What it was made for when nobody had written; null for a turn of a conversation."""
    arms: dict[str, str] = {}
    """Experiment of the policy to the arm that the customer is in."""
    contributions: dict[str, dict[str, float]] = {}
    """Model to feature to log-odds, to 4 places; features that added nothing are left out."""
    models: dict[str, str] = {}
    """Model that was there to its manifest's SHA-256."""
    intents_version: str = ""
    stages_ms: dict[str, float] = {}
    """Stage of the decision to the milliseconds that it took."""
    deadline_ms: int | None = None
    """How long the request was allowed to take; null: it did not say."""
    waited_ms: float = 0.0
    """How long it had waited for its turn when the decision began."""
    software: str = ""
    """Rapport's version."""
    schema_version: Literal[1] = 1


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(DecisionRecord)


def encode_record(record: DecisionRecord) -> bytes:
    """The record as JSON, as it travels on the topic `decisions`."""
    return _encoder.encode(record)


def decode_record(value: bytes | str) -> DecisionRecord:
    """The record in `value`.

    Raises:
        msgspec.DecodeError, msgspec.ValidationError: not a decision record.
    """
    return _decoder.decode(value)


def record_row(value: bytes) -> tuple[str, str, int, str]:
    """The archive's row of a logged record: (decision_id, customer_id, decided at in microseconds, JSON text).

    Raises:
        msgspec.DecodeError, msgspec.ValidationError: not a decision record.
    """
    record = _decoder.decode(value)
    return record.decision_id, record.customer_id, to_us(record.as_of), value.decode()
