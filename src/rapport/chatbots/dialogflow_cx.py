"""Dialogflow CX (API v3): WebhookRequest and WebhookResponse, in either casing and with any block missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rapport.chatbots.declared import DialogflowCx
from rapport.chatbots.paths import at, block, first_text
from rapport.chatbots.reply import Reply
from rapport.chatbots.sessions import FEEDBACK, customer_of
from rapport.chatbots.turn import Asked, make_said, make_turn

__all__ = ["PLATFORM", "asked", "reply_answer", "thanks_answer"]

PLATFORM = "dialogflow_cx"
_WORDS = ("text", "transcript")
"""Where the customer's words are: written, or spoken."""


def asked(request: Mapping[str, Any], rules: DialogflowCx) -> Asked:
    """What a request asks for: feedback, when the webhook's tag is `rapport.feedback`; else a decision."""
    session = at(request, "sessionInfo.session")
    turn = make_turn(
        PLATFORM,
        customer_id=customer_of(request, rules.customer, session),
        message=first_text(request, _WORDS),
        channel=first_text(request, ("payload.channel", "payload.source")),
        locale=at(request, "languageCode"),
        conversation_id=customer_of(request, ("$session",), session),
        message_id=at(request, "detectIntentResponseId"),
        known=block(request, "sessionInfo.parameters"),
    )
    if at(request, "fulfillmentInfo.tag") == FEEDBACK:
        said = make_said(block(request, "sessionInfo.parameters"), rules.prefix)
        return Asked(kind="feedback", turn=turn, said=said)
    return Asked(kind="decide", turn=turn)


def reply_answer(request: Mapping[str, Any], reply: Reply, rules: DialogflowCx) -> dict[str, Any]:
    """The response: the text as a further message, the tags as session parameters, and the hand-over to a person."""
    messages: list[dict[str, Any]] = [{"text": {"text": [reply.text]}}] if rules.say else []
    if reply.hand_over:
        messages.append({"liveAgentHandoff": {"metadata": {"rapport": reply.tags}}})
    parameters = {f"{rules.prefix}{name}": value for name, value in reply.tags.items()}
    return {
        "fulfillmentResponse": {"messages": messages, "mergeBehavior": "APPEND"},
        "sessionInfo": {"parameters": parameters},
    }


def thanks_answer() -> dict[str, Any]:
    """The response to feedback: what was said is taken out of the session, so that it is not given twice."""
    return {"sessionInfo": {"parameters": dict.fromkeys(("csat", "nps", "resolved"))}}
