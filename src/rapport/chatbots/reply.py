"""A decision as chatbots use it: the text to say, and flat tags to branch on."""

from __future__ import annotations

from typing import Any

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
    plain: dict[str, Any] = msgspec.to_builtins(decision)
    asked = plain.get("ask") or []
    text = plain["template"]["text"] or " ".join(one["question"] for one in asked)
    hand_over = any(value in HAND_OVER for value in (_id(plain.get("next_action")), plain["template_id"]))
    found: dict[str, Tag] = {
        **{name: plain.get(name) for name in ("decision_id", "segment", "activity", "tone", "template_id", "rule")},
        "sentiment": plain["sentiment"]["label"],
        "sentiment_score": plain["sentiment"]["score"],
        "intent": plain.get("intent"),
        "ask": ",".join(one["name"] for one in asked) or None,
        "offer": _id(plain.get("offer")),
        "next_action": _id(plain.get("next_action")),
        "hand_over": hand_over,
        "degraded": ",".join(plain["degraded"]) or None,
        **plain["scores"],
    }
    return Reply(text, {name: found.get(name) for name in TAGS}, hand_over)


def _id(chosen: Any) -> str | None:
    return chosen["id"] if isinstance(chosen, dict) else None
