"""What a language model should know of a customer, in few words: the most useful first, never over a budget of tokens.

One line a fact, in a fixed order: how to answer, what is wrong, what is being bought, who this is, why. A text of a
smaller budget is the beginning of the text of a larger one. Values that come from outside (product ids, tiers) are
cleaned and quoted, so that they cannot pass for lines of their own; what the customer wrote is not repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from rapport.chatbots.tokens import tokens_at_most
from rapport.decisions.degraded import NO_CONSENT, UNKNOWN_CUSTOMER
from rapport.decisions.record import Decision, FeatureValue
from rapport.decisions.situation import cart_abandoned, repeats_10m

__all__ = ["LEAST_TOKENS", "MOST_TOKENS", "ContextText", "context_text"]

LEAST_TOKENS = 16
MOST_TOKENS = 4_000
_MAX_VALUE = 64
_UNPRINTABLE = re.compile(r"[^\w .,:;/+@#%&()'-]")
_DAY_S = 86_400.0


class ContextText(msgspec.Struct, frozen=True):
    """A context within its budget."""

    text: str
    """Lines; "" when not even the first fits."""
    tokens: int
    """Its tokens at most, as `rapport.chatbots.tokens` counts them."""
    left_out: int
    """Lines that did not fit."""


class _Foreign(str):
    """A value that comes from outside."""

    __slots__ = ()


_Line = tuple[str, ...]


def context_text(decision: Decision, features: Mapping[str, FeatureValue], budget_tokens: int) -> ContextText:
    """What is known of a customer, in at most `budget_tokens` tokens.

    Args:
        decision: on this turn, with the scores and their reasons.
        features: full name to value; {} when none may be used.
        budget_tokens: 16 to 4,000.
    """
    lines = [_clean(line) for line in _lines(msgspec.to_builtins(decision), features)]
    kept: list[str] = []
    used = 0
    for line in lines:
        # a line's end is a token
        cost = sum(tokens_at_most(part, plain=not isinstance(part, _Foreign)) for part in line) + bool(kept)
        if used + cost > budget_tokens:
            break
        kept.append("".join(line))
        used += cost
    return ContextText("\n".join(kept), used, len(lines) - len(kept))


def _lines(decision: Mapping[str, Any], features: Mapping[str, FeatureValue]) -> Iterator[_Line]:
    if NO_CONSENT in decision["degraded"]:
        yield ("The customer refused personalization: nothing about them may be used.",)
        return
    yield from _advice(decision)
    if not features:
        unknown = UNKNOWN_CUSTOMER in decision["degraded"]
        yield (
            "Nothing is known of this customer." if unknown else "What is known of the customer cannot be read now.",
        )
        return
    yield from _trouble(decision, features)
    yield from _cart(features)
    yield from _person(decision, features)
    yield from _history(features)
    for name, score in decision["scores"].items():
        yield (f"{_words(name)}: {score:.0%}",)
    for reason in decision["reasons"]:
        yield (f"Because: {reason['text']}",)


_ORDINARY = "answer"
"""The action of decisions that ask for none."""


def _advice(decision: Mapping[str, Any]) -> Iterator[_Line]:
    """How to answer."""
    action = decision["next_action"]["id"]
    asked = [one["name"] for one in decision["ask"]]
    offer = decision["offer"]
    yield (f"Tone: {decision['tone']}",)
    if action != _ORDINARY:
        yield ("Next: ", _Foreign(_words(action)))
    if asked:
        yield ("Ask for: ", _Foreign(", ".join(asked)))
    if offer:
        yield ("Offer: ", _Foreign(_words(offer["id"])))
    yield ("Suggested answer: ", _Foreign(_words(decision["template_id"])))


def _trouble(decision: Mapping[str, Any], features: Mapping[str, FeatureValue]) -> Iterator[_Line]:
    yield (f"Mood: {decision['sentiment']['label']} ({decision['sentiment']['score']:+.1f})",)
    frustration = _number(features, "conversation__frustration_max_1h")
    if frustration:
        yield (f"Frustration in the last hour: {frustration:.1f} of 1",)
    repeats = repeats_10m(features)
    if repeats:
        yield (f"Repeated questions in the last 10 minutes: {repeats}",)
    open_tickets = _number(features, "tickets__open_tickets")
    if open_tickets:
        yield (f"Open tickets: {open_tickets:.0f}",)


def _cart(features: Mapping[str, FeatureValue]) -> Iterator[_Line]:
    if not cart_abandoned(features):
        return
    product = features.get("carts__last_cart_product")
    worth = _number(features, "carts__cart_micros_1d")
    last: _Line = (", last: ", _Foreign(product)) if isinstance(product, str) else ()
    yield ("Cart left behind", f", worth {worth / 1e6:.2f}" if worth else "", *last)


def _person(decision: Mapping[str, Any], features: Mapping[str, FeatureValue]) -> Iterator[_Line]:
    yield (f"Segment: {decision['segment']}",)
    for name in ("tier", "locale"):
        value = features.get(f"profile__{name}")
        if isinstance(value, str) and value:
            yield (f"{_words(name)}: ", _Foreign(value))


def _history(features: Mapping[str, FeatureValue]) -> Iterator[_Line]:
    orders, recency = _number(features, "purchases__orders_90d"), _number(features, "rfm__recency_s")
    spend = _number(features, "purchases__spend_micros_90d")
    if orders:
        yield (f"Orders in 90 days: {orders:.0f}", f", spent {spend / 1e6:.2f}" if spend else "")
    if recency is not None:
        yield (f"Last order: {recency / _DAY_S:.0f} days ago",)
    csat = _number(features, "satisfaction__csat_last")
    if csat is not None:
        yield (f"Last rating of an answer: {csat:.0f} of 5",)


def _clean(line: _Line) -> _Line:
    return tuple(
        _Foreign(_UNPRINTABLE.sub("?", part)[:_MAX_VALUE]) if isinstance(part, _Foreign) else part for part in line
    )


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _number(features: Mapping[str, FeatureValue], name: str) -> float | None:
    value = features.get(name)
    return value if isinstance(value, float) else None
