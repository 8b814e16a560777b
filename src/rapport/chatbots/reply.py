"""A decision as chatbots use it: the text to say, and flat tags to branch on."""

from __future__ import annotations

import msgspec

from rapport.decisions.record import Decision

__all__ = ["HAND_OVER", "TAGS", "Reply", "Tag", "reply_of"]

HAND_OVER = ("hand_over", "handover_to_agent")
"""The next action, or the template, that gives a conversation to a person."""
TAGS = (
    "decision_id",
    "segment",
    "activity",
    "sentiment",
    "sentiment_score",
    "tone",
    "template_id",
    "rule",
    "intent",
    "ask",
    "offer",
    "next_action",
    "hand_over",
    "purchase_propensity",
    "escalation_risk",
    "degraded",
)
"""The tags of a reply, in this order. One that is not known is null."""

Tag = str | float | bool | None


class Reply(msgspec.Struct, frozen=True):
    """What a platform's answer is made of."""

    text: str
    tags: dict[str, Tag]
    hand_over: bool = False
    """Whether a person should go on with the conversation."""


def reply_of(decision: Decision) -> Reply:
    """The reply that a decision gives."""
    asked = decision.ask
    hand_over = decision.next_action.id in HAND_OVER or decision.template_id in HAND_OVER
    found: dict[str, Tag] = {
        "decision_id": decision.decision_id,
        "segment": decision.segment,
        "activity": decision.activity,
        "sentiment": decision.sentiment.label,
        "sentiment_score": decision.sentiment.score,
        "tone": decision.tone,
        "template_id": decision.template_id,
        "rule": decision.rule,
        "intent": decision.intent,
        "ask": ",".join(one.name for one in asked) or None,
        "offer": decision.offer.id if decision.offer else None,
        "next_action": decision.next_action.id,
        "hand_over": hand_over,
        "degraded": ",".join(decision.degraded) or None,
        **decision.scores,
    }
    text = decision.template.text or " ".join(one.question for one in asked)
    return Reply(text, {name: found.get(name) for name in TAGS}, hand_over)
