"""Dialogflow ES (API v2): WebhookRequest and WebhookResponse, in either casing and with any block missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rapport.chatbots.declared import DialogflowEs
from rapport.chatbots.paths import at, block, first_text
from rapport.chatbots.reply import Reply
from rapport.chatbots.sessions import FEEDBACK, customer_of
from rapport.chatbots.turn import Asked, Said, make_said, make_turn

__all__ = ["PLATFORM", "asked", "reply_answer", "thanks_answer"]

PLATFORM = "dialogflow_es"
_SOURCE = "rapport"


def asked(request: Mapping[str, Any], rules: DialogflowEs) -> Asked:
    """What a request asks for: feedback, when the intent's action is `rapport.feedback`; else a decision."""
    result = block(request, "queryResult")
    turn = make_turn(
        PLATFORM,
        customer_id=customer_of(request, rules.customer, at(request, "session")),
        message=at(result, "queryText"),
        channel=first_text(request, ("originalDetectIntentRequest.source",)),
        locale=at(result, "languageCode"),
        conversation_id=customer_of(request, ("$session",), at(request, "session")),
        message_id=at(request, "responseId"),
        known=_known(request, rules),
    )
    if at(result, "action") == FEEDBACK:
        return Asked(kind="feedback", turn=turn, said=_said(request, rules))
    return Asked(kind="decide", turn=turn)


def reply_answer(request: Mapping[str, Any], reply: Reply, rules: DialogflowEs) -> dict[str, Any]:
    """The response: the text, and the tags as an output context and as payload. While Dialogflow still asks for an
    intent's parameters, its own question stands: no text."""
    answer: dict[str, Any] = {"source": _SOURCE, "payload": {_SOURCE: reply.tags}}
    if rules.say and at(request, "queryResult.allRequiredParamsPresent") is not False:
        answer["fulfillmentText"] = reply.text
        answer["fulfillmentMessages"] = [{"text": {"text": [reply.text]}}]
    session = at(request, "session")
    if isinstance(session, str) and session:
        name = f"{session}/contexts/{rules.context}"
        answer["outputContexts"] = [{"name": name, "lifespanCount": rules.lifespan, "parameters": reply.tags}]
    return answer


def thanks_answer() -> dict[str, Any]:
    """The response to feedback: the intent's own text stands."""
    return {"source": _SOURCE}


def _said(request: Mapping[str, Any], rules: DialogflowEs) -> Said:
    """From the intent's parameters; the decision is that of our context, which the request brings back."""
    ours = _contexts(request, rules, ours=True)
    return make_said({**(ours[0] if ours else {}), **block(request, "queryResult.parameters")})


def _known(request: Mapping[str, Any], rules: DialogflowEs) -> dict[str, Any]:
    """The intent's parameters, and those that the contexts still have of earlier ones."""
    earlier = [pair for context in _contexts(request, rules, ours=False) for pair in context.items()]
    return {**dict(earlier), **block(request, "queryResult.parameters")}


def _contexts(request: Mapping[str, Any], rules: DialogflowEs, *, ours: bool) -> list[Mapping[str, Any]]:
    """The parameters of our output context, or of the others."""
    contexts = at(request, "queryResult.outputContexts")
    return [
        block(context, "parameters")
        for context in (contexts if isinstance(contexts, list) else ())
        if str(at(context, "name")).endswith(f"/contexts/{rules.context}") is ours
    ]
