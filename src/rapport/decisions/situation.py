"""What a policy sees: the facts of one moment of one conversation, made from features, message, scores and segment."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from rapport.decisions.record import FeatureValue, Sentiment
from rapport.events.frustration import in_conversation

__all__ = ["FACTS", "Situation", "cart_abandoned", "fact_kinds", "make_situation", "repeats_10m"]

ABANDONED_AFTER_S = 30 * 60.0
ABANDONED_BEFORE_S = 24 * 3600.0


class Situation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The facts that the policy's rules may name. None: not known; a rule that asks for it does not match."""

    known: bool = False
    """Whether anything is known of the customer."""
    message: bool = False
    """Whether this turn came with a message."""
    sentiment: str = "neutral"
    sentiment_score: float = 0.0
    frustration: float = 0.0
    """The greatest of the message's by itself, of the message's within the last hour's conversation, and of the last
    hour's highest: 0 to 1."""
    repeats: int = 0
    """Questions of the last 10 minutes that had been asked before in these 10 minutes."""
    segment: str = "Unknown"
    activity: str | None = None
    purchase_propensity: float | None = None
    escalation_risk: float | None = None
    cart_abandoned: bool = False
    cart_product: str | None = None
    open_tickets: int = 0
    orders_90d: int | None = None
    csat: float | None = None
    tier: str | None = None
    channel: str | None = None
    page: str | None = None


FACTS: Mapping[str, type] = MappingProxyType(
    {
        "known": bool,
        "message": bool,
        "sentiment": str,
        "sentiment_score": float,
        "frustration": float,
        "repeats": int,
        "segment": str,
        "activity": str,
        "purchase_propensity": float,
        "escalation_risk": float,
        "cart_abandoned": bool,
        "cart_product": str,
        "open_tickets": int,
        "orders_90d": int,
        "csat": float,
        "tier": str,
        "channel": str,
        "page": str,
    }
)
"""Each fact's type, None aside."""


def fact_kinds() -> str:
    """The facts and their types, for error messages."""
    return ", ".join(f"{name} ({kind.__name__})" for name, kind in FACTS.items())


def make_situation(
    features: Mapping[str, FeatureValue],
    *,
    sentiment: Sentiment,
    frustration: float | None,
    scores: Mapping[str, float],
    segment: str,
    activity: str | None,
    channel: str | None = None,
    page: str | None = None,
) -> Situation:
    """The situation of one turn.

    Args:
        features: full name to value; {} when there are none.
        sentiment: of the message, or of the conversation.
        frustration: the message's, 0 to 1; None without a message.
        scores: model name to probability.
    """
    return Situation(
        known=bool(features),
        message=frustration is not None,
        sentiment=sentiment.label,
        sentiment_score=sentiment.score,
        frustration=_frustration(frustration, features),
        repeats=repeats_10m(features),
        segment=segment,
        activity=activity,
        purchase_propensity=scores.get("purchase_propensity"),
        escalation_risk=scores.get("escalation_risk"),
        cart_abandoned=cart_abandoned(features),
        cart_product=_text(features, "carts__last_cart_product"),
        open_tickets=max(0, _count(features, "tickets__open_tickets") or 0),
        orders_90d=_count(features, "purchases__orders_90d"),
        csat=_number(features, "satisfaction__csat_mean_90d"),
        tier=_text(features, "profile__tier"),
        channel=channel,
        page=page,
    )


def cart_abandoned(features: Mapping[str, FeatureValue]) -> bool:
    """Whether the cart was left: something was added in the last day, more than 30 minutes ago, and neither a checkout
    nor an order came after it."""
    added = _number(features, "carts__since_cart_add_s")
    if added is None or not ABANDONED_AFTER_S < added <= ABANDONED_BEFORE_S:
        return False
    checkout = _number(features, "carts__since_checkout_s")
    order = _number(features, "rfm__recency_s")
    return all(since is None or since > added for since in (checkout, order))


def repeats_10m(features: Mapping[str, FeatureValue]) -> int:
    """Questions of the last 10 minutes beyond the distinct ones."""
    queries = _count(features, "conversation__queries_10m") or 0
    return max(0, queries - (_count(features, "conversation__distinct_queries_10m") or 0))


def _frustration(own: float | None, features: Mapping[str, FeatureValue]) -> float:
    highest = _number(features, "conversation__frustration_max_1h") or 0.0
    if own is None:
        return highest
    return max(own, in_conversation(own, _number(features, "conversation__frustration_mean_1h")), highest)


def _number(features: Mapping[str, FeatureValue], name: str) -> float | None:
    value = features.get(name)
    return float(value) if isinstance(value, int | float) else None


def _count(features: Mapping[str, FeatureValue], name: str) -> int | None:
    value = _number(features, name)
    return None if value is None else round(value)


def _text(features: Mapping[str, FeatureValue], name: str) -> str | None:
    value = features.get(name)
    return value if isinstance(value, str) and value else None
