"""What a decision is: the answer that a chatbot gets, and the record of it that is logged."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from rapport.clock import to_us

__all__ = [
    "Decision",
    "DecisionRecord",
    "FeatureValue",
    "Reason",
    "RenderedTemplate",
    "Sentiment",
    "decode_record",
    "encode_record",
    "record_row",
]

FeatureValue = float | str | None


class Sentiment(msgspec.Struct, frozen=True):
    """Label and score of the message, or of the last hour's conversation when there is none."""

    label: Literal["positive", "neutral", "negative"] = "neutral"
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
    text: str


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
