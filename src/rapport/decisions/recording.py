"""What is logged of a decision and beside it, and what is not when the customer has not agreed to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rapport.clock import from_us
from rapport.decisions.degraded import INTERNAL_ERROR
from rapport.decisions.making import Turn
from rapport.decisions.record import Decision, DecisionRecord, RenderedTemplate, Sentiment
from rapport.decisions.scoring import Scored
from rapport.policy.bundle import Bundle

__all__ = ["beside", "neutral", "record_of"]


def beside(customer_id: str, turn: Turn, scored: Scored, bundle: Bundle) -> dict[str, Any]:
    """What is logged beside the decision. Without consent, or when that is not known, nothing of the person."""
    known = turn.known
    found = {
        "customer_id": customer_id if known.personal else "",
        "features": known.features,
        "absent": known.absent,
        "contributions": scored.contributions,
        "models": scored.models,
        "intents_version": bundle.versions["intents"],
    }
    of_person = {"signals": turn.signals, "session": turn.session, "arms": turn.arms}
    return {**found, **of_person} if known.personal else found


def record_of(decision: Decision, more: Mapping[str, Any], **circumstances: Any) -> DecisionRecord:
    """The record of a decision.

    Args:
        more: what is logged beside it (`beside`).
        circumstances: the record's other fields.
    """
    shown = decision if more["customer_id"] else _without_person(decision)
    return DecisionRecord(**msgspec.structs.asdict(shown), **more, **circumstances)


def _without_person(decision: Decision) -> Decision:
    """The decision without what the customer wrote, and what came of it."""
    text = RenderedTemplate(decision.template.locale, None)
    asks = [msgspec.structs.replace(ask, problem=None) for ask in decision.ask]
    return msgspec.structs.replace(decision, sentiment=Sentiment(), intent=None, template=text, ask=asks)


def neutral(decision_id: str, as_of_us: int) -> Decision:
    """What is answered when a decision has failed."""
    return msgspec.structs.replace(
        _NEUTRAL, decision_id=decision_id, as_of=from_us(as_of_us), degraded=[INTERNAL_ERROR]
    )


_NEUTRAL = Decision(
    decision_id="",
    as_of=from_us(0),
    segment="Unknown",
    activity=None,
    sentiment=Sentiment(),
    scores={},
    tone="neutral",
    template_id="neutral_help",
    template=RenderedTemplate("en", "How can I help you?"),
    rule="default",
    reasons=[],
    model_versions={},
    feature_age_s=None,
    degraded=[],
)
