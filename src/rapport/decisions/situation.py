"""What a policy sees: the facts of one moment of one conversation, made from features, message, scores and segment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

import msgspec

from rapport.decisions.degraded import NO_CONSENT
from rapport.decisions.record import FeatureValue, Sentiment, Session, Signals

__all__ = [
    "CONSENT",
    "FACTS",
    "Situation",
    "cart_abandoned",
    "consent_of",
    "fact_kinds",
    "locale_of",
    "make_situation",
    "may_be_unknown",
    "repeats_10m",
]

CONSENT = "profile__personalization_consent"
LOCALE = "profile__locale"
_NO_SESSION = Session()
_NO_ARMS: Mapping[str, str] = MappingProxyType({})

ABANDONED_AFTER_S = 30 * 60.0
ABANDONED_BEFORE_S = 24 * 3600.0


class Situation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The facts that the policy's rules may name. None: not known; a rule that asks for it does not match."""

    known: bool = False
    """Whether anything is known of the customer."""
    consent: str = "unknown"
    """To personalization: given, refused, or unknown, when no profile says it or it cannot be read."""
    trigger: str | None = None
    """The trigger that fired, when the decision is made for it and not for a turn of a conversation."""
    message: bool = False
    """Whether this turn came with a message."""
    intent: str | None = None
    """What the message wants, by the declared intents."""
    sentiment: str = "neutral"
    sentiment_score: float = 0.0
    frustration: float = 0.0
    """The greatest of the message's by itself, of the message's within the last hour's conversation, and of the last
    hour's highest: 0 to 1."""
    repeat: bool = False
    """Whether the message repeats one of the last 10 minutes."""
    repeats: int = 0
    """Questions of the last 10 minutes, with the message, that had been asked before in these 10 minutes."""
    segment: str = "Unknown"
    activity: str | None = None
    purchase_propensity: float | None = None
    escalation_risk: float | None = None
    cart_abandoned: bool = False
    cart_product: str | None = None
    cart_micros: int | None = None
    """What was put into the cart in the last day, in micros."""
    open_tickets: int = 0
    orders_90d: int | None = None
    spend_90d_micros: int | None = None
    last_order_day: int | None = None
    """Days since 1970."""
    csat: float | None = None
    tier: str | None = None
    channel: str | None = None
    page: str | None = None
    locale: str | None = None
    """BCP 47: the session's, else the profile's."""
    arms: Mapping[str, str] = {}
    """Experiment to the customer's arm; a rule names one as `arm.<experiment>`."""


FACTS: Mapping[str, type] = MappingProxyType(
    {
        "known": bool,
        "consent": str,
        "trigger": str,
        "message": bool,
        "intent": str,
        "sentiment": str,
        "sentiment_score": float,
        "frustration": float,
        "repeat": bool,
        "repeats": int,
        "segment": str,
        "activity": str,
        "purchase_propensity": float,
        "escalation_risk": float,
        "cart_abandoned": bool,
        "cart_product": str,
        "cart_micros": int,
        "open_tickets": int,
        "orders_90d": int,
        "spend_90d_micros": int,
        "last_order_day": int,
        "csat": float,
        "tier": str,
        "channel": str,
        "page": str,
        "locale": str,
    }
)
"""Each fact's type, None aside."""


def fact_kinds() -> str:
    """The facts and their types, for error messages."""
    return ", ".join(f"{name} ({kind.__name__})" for name, kind in FACTS.items())


def may_be_unknown(fact: str) -> bool:
    return getattr(_NOTHING, fact) is None


def make_situation(
    features: Mapping[str, FeatureValue],
    *,
    sentiment: Sentiment,
    signals: Signals | None = None,
    scores: Mapping[str, float],
    segment: str,
    activity: str | None,
    session: Session = _NO_SESSION,
    consent: str = "unknown",
    trigger: str | None = None,
    arms: Mapping[str, str] = _NO_ARMS,
) -> Situation:
    """The situation of one turn.

    Args:
        features: full name to value; {} when there are none.
        sentiment: of the message, or of the conversation.
        signals: the message's; None without a message.
        scores: model name to probability.
        consent: as `consent_of` gives it.
        trigger: the name of the one that fired; None for a turn.
        arms: experiment to the customer's arm.
    """
    hour = _number(features, "conversation__frustration_max_1h") or 0.0
    return Situation(
        known=bool(features),
        consent=consent,
        trigger=trigger,
        message=signals is not None,
        intent=signals.intent if signals else None,
        sentiment=sentiment.label,
        sentiment_score=sentiment.score,
        frustration=max(signals.frustration, hour) if signals else hour,
        repeat=signals is not None and signals.repeat,
        repeats=signals.repeats if signals else repeats_10m(features),
        segment=segment,
        activity=activity,
        purchase_propensity=scores.get("purchase_propensity"),
        escalation_risk=scores.get("escalation_risk"),
        cart_abandoned=cart_abandoned(features),
        cart_product=_text(features, "carts__last_cart_product"),
        cart_micros=_count(features, "carts__cart_micros_1d"),
        open_tickets=max(0, _count(features, "tickets__open_tickets") or 0),
        orders_90d=_count(features, "purchases__orders_90d"),
        spend_90d_micros=_count(features, "purchases__spend_micros_90d"),
        last_order_day=_count(features, "rfm__last_order_day"),
        csat=_number(features, "satisfaction__csat_mean_90d"),
        tier=_text(features, "profile__tier"),
        channel=session.channel,
        page=session.page,
        locale=locale_of(features, session),
        arms=arms,
    )


def consent_of(features: Mapping[str, FeatureValue], degraded: Collection[str]) -> str:
    """Whether the customer agreed to personalization: given, refused or unknown.

    Args:
        degraded: the decision's codes; a refusal leaves no features.
    """
    if NO_CONSENT in degraded:
        return "refused"
    return "given" if features.get(CONSENT) == 1.0 else "unknown"


def locale_of(features: Mapping[str, FeatureValue], session: Session) -> str | None:
    """The session's locale, else the profile's."""
    return session.locale or _text(features, LOCALE)


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


def _number(features: Mapping[str, FeatureValue], name: str) -> float | None:
    value = features.get(name)
    return float(value) if isinstance(value, int | float) else None


def _count(features: Mapping[str, FeatureValue], name: str) -> int | None:
    value = _number(features, name)
    return None if value is None else round(value)


def _text(features: Mapping[str, FeatureValue], name: str) -> str | None:
    value = features.get(name)
    return value if isinstance(value, str) and value else None


_NOTHING = Situation()
