"""The chatbot platforms' part of the OpenAPI description; their requests are open: what is not listed is let be."""

from __future__ import annotations

from typing import Any

from bentos.openapi_deadline import deadline_parameter

__all__ = ["chatbot_paths"]

_ERROR = {"$ref": "#/components/schemas/Error"}
_STATUSES = {
    "400": "The body is no request of this platform",
    "401": "The platform has not signed the request",
    "404": "The platform is not served: chatbots.yaml does not name it",
    "408": "The body did not arrive in time",
    "413": "The body is too large",
    "415": "The Content-Type or the Content-Encoding is not served",
    "429": "Feedback: the bus is full, or ingest is behind; ask again after Retry-After seconds",
    "503": "The service is starting, the bus does not answer, or the platform did not take the reply",
}
_EXAMPLES: dict[str, Any] = {
    "rasa": {
        "next_action": "action_personalize",
        "tracker": {"sender_id": "17850", "slots": {"tone": None}, "latest_message": {"text": "Where is my parcel?"}},
        "domain": {},
    },
    "es": {
        "session": "projects/p/agent/sessions/s",
        "queryResult": {"queryText": "Where is my parcel?", "languageCode": "en"},
        "originalDetectIntentRequest": {"payload": {"userId": "17850"}},
    },
    "cx": {
        "text": "Where is my parcel?",
        "languageCode": "en",
        "fulfillmentInfo": {"tag": "personalize"},
        "payload": {"userId": "17850"},
    },
    "chatwoot": {"event": "conversation_opened", "account": {"id": 1}},
    "bot_framework": {"type": "conversationUpdate", "serviceUrl": "https://example.com"},
    "context": {"customer_id": "17850", "budget_tokens": 120},
}
_COMMON = ("400", "404", "408", "413", "415", "503")


def chatbot_paths() -> dict[str, Any]:
    """Path to operations."""
    return {
        "/chatbots/rasa/webhook": {"post": _rasa()},
        "/chatbots/rasa/actions": {"get": _get("The actions of the action server", {"type": "array"})},
        "/chatbots/rasa/health": {"get": _get("Whether the action server answers", {"type": "object"})},
        "/chatbots/dialogflow/es": {
            "post": _post("Answer Dialogflow ES", "es", _open("queryResult", "session"), "429")
        },
        "/chatbots/dialogflow/cx": {"post": _post("Answer Dialogflow CX", "cx", _open("sessionInfo", "text"), "429")},
        "/chatbots/chatwoot": {"post": _post("Take an event of Chatwoot", "chatwoot", _open("event"), "401", "429")},
        "/chatbots/bot-framework": {
            "post": _post("Take an activity of the Bot Framework", "bot_framework", _open("type"), "401", "429")
        },
        "/chatbots/context": {"post": _context()},
    }


def _rasa() -> dict[str, Any]:
    operation = _post("Run an action for Rasa", "rasa", _open("next_action", "tracker", "domain"))
    rejected = {"type": "object", "properties": {"error": {"type": "string"}, "action_name": {"type": "string"}}}
    said = {
        "404": "There is no such action",
        "422": "The call is broken; rasa-sdk answers 500",
        "500": "The action failed",
    }
    for status, text in said.items():
        operation["responses"][status] = _answer(text, rejected)
    operation["responses"]["400"] = _answer(
        "The action is rejected, or the request is wrong", {"anyOf": [rejected, _ERROR]}
    )
    operation["responses"]["200"] = _answer("Events and responses", {"type": ["object", "null"]})
    return operation


def _context() -> dict[str, Any]:
    operation = _post(
        "What a language model should know of a customer, in so many tokens at most",
        "context",
        {"$ref": "#/components/schemas/ContextRequest"},
    )
    del operation["responses"]["404"]
    operation["responses"]["200"] = _answer("The text", {"$ref": "#/components/schemas/ContextAnswer"})
    return operation


def _open(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {} for name in names}}


def _post(summary: str, example: str, request: dict[str, Any], *more: str) -> dict[str, Any]:
    refused = {status: _answer(_STATUSES[status], _ERROR) for status in sorted({*_COMMON, *more})}
    return {
        "summary": summary,
        "parameters": [deadline_parameter()],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": request, "example": _EXAMPLES[example]}},
        },
        "responses": {"200": _answer("The platform's own answer", {"type": "object"}), **refused},
    }


def _get(summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    refused = {status: _answer(_STATUSES[status], _ERROR) for status in ("404", "503")}
    return {"summary": summary, "responses": {"200": _answer("OK", schema), **refused}}


def _answer(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
