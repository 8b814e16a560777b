"""The service's OpenAPI 3.1 description, made from the structs that decode its requests and encode its answers."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import msgspec

from bentos import schemas
from bentos.access import Needs
from bentos.openapi_chatbots import chatbot_paths
from bentos.openapi_deadline import deadline_parameter
from bentos.openapi_inference import inference_paths, inference_schemas
from bentos.openapi_security import with_security
from bentos.openapi_tags import with_tags
from rapport.decisions import answers
from rapport.decisions.degraded import CODES
from rapport.decisions.record import Decision
from rapport.events.schema import EVENT_TYPES
from rapport.inference import InferRequest
from rapport.intake.bodies import BATCH_HEADER, MAX_EVENTS, NDJSON, SENDER_HEADER
from rapport.intake.columns import COLUMNS

__all__ = ["openapi", "openapi_json"]

_REF = "#/components/schemas/{name}"
_DECIMAL = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_EXAMPLE_TIME = "2026-03-01T12:00:00Z"


def openapi_json(needs: Mapping[tuple[str, str], Needs]) -> bytes:
    """The description as JSON, with what each operation needs."""
    return msgspec.json.format(msgspec.json.encode(with_security(with_tags(openapi()), needs)), indent=2)


def openapi() -> dict[str, Any]:
    """The description as plain values."""
    types = [
        schemas.PersonalizeRequest,
        schemas.BatchRequest,
        schemas.FeedbackRequest,
        schemas.ContextRequest,
        answers.ContextAnswer,
        answers.BatchAnswer,
        answers.FeedbackAnswer,
        answers.EventsAnswer,
        answers.WebhookAnswer,
        answers.Health,
        answers.DecisionExplained,
        answers.Readiness,
        Decision,
        InferRequest,
        *EVENT_TYPES.values(),
    ]
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    components = _with_decimals(components)
    components["FeedbackRequest"]["anyOf"] = [_says(name) for name in ("csat", "nps", "resolved", "resolution_time_s")]
    # its decoder leaves them to be checked one by one
    components["BatchRequest"]["properties"]["turns"]["items"] = {"$ref": _REF.format(name="PersonalizeRequest")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rapport",
            "version": version("rapport"),
            "summary": "Decisions for chatbots, from features of customers in real time",
            "description": "Missing inputs degrade a decision and are named in `degraded`; they never fail it.",
        },
        "paths": _paths(),
        "components": {
            "schemas": {**components, **inference_schemas(), "EventsRequest": _events_request(), "Error": _error()}
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "/personalize": {"post": _personalize()},
        "/personalize/batch": {"post": _personalize_batch()},
        "/events": {"post": _events()},
        "/feedback": {"post": _feedback()},
        "/webhooks/{source}": {"post": _webhook()},
        **chatbot_paths(),
        **inference_paths(),
        "/decisions/{decision_id}": {"get": _decision()},
        "/livez": {"get": _get("Whether the process answers", "Always, while it does.", None)},
        "/readyz": {"get": _readyz()},
        "/health": {"get": _get("What works and what does not", "With the versions that serve.", "Health", "503")},
        "/metrics": {"get": _get("Prometheus metrics", "In the text format.", None, "503")},
    }


def _readyz() -> dict[str, Any]:
    either = {"anyOf": [{"$ref": _REF.format(name=name)} for name in ("Readiness", "Health")]}
    said = {"200": "Decisions are answered", "503": "They are not, or with `?strict=1` not all is well"}
    return {
        "summary": "Whether decisions are answered",
        "description": "200 as soon as they are, degraded or not; with `?strict=1` 503 unless all is well. In "
        "development with all that /health says.",
        "parameters": [{"name": "strict", "in": "query", "schema": {"enum": ["1"]}}],
        "responses": {
            **{
                status: {"description": text, "content": {"application/json": {"schema": either}}}
                for status, text in said.items()
            },
            "400": _response("strict is not 1", "Error"),
        },
    }


def _personalize() -> dict[str, Any]:
    codes = "\n".join(f"- `{code}`: {meaning}" for code, meaning in CODES.items())
    operation = _post(
        "Decide what to answer a customer with, and how",
        f"Codes of `degraded`:\n\n{codes}",
        "PersonalizeRequest",
        {"customer_id": "17850", "session_data": {"message": "Where is my parcel?", "locale": "en"}},
        {"200": ("The decision", "Decision"), **_refusals("400", "408", "413", "415", "503")},
    )
    operation["parameters"] = [deadline_parameter()]
    return operation


def _personalize_batch() -> dict[str, Any]:
    turns = [
        {"customer_id": "17850", "session_data": {"message": "Where is my parcel?"}},
        {"customer_id": "17851"},
    ]
    return _post(
        "Decide many turns",
        f"Up to {schemas.MOST_TURNS} turns, 2 MiB. Each has a result, in their order: the decision that POST "
        "/personalize would have made, or the error that it would have answered. All are of one time. Counts as many "
        "requests as it has turns.",
        "BatchRequest",
        {"turns": turns},
        {"200": ("A result for each turn", "BatchAnswer"), **_refusals("400", "408", "413", "415", "429", "503")},
    )


def _events() -> dict[str, Any]:
    event = {
        "event_id": "click-1",
        "customer_id": "17850",
        "event_time": _EXAMPLE_TIME,
        "action": "cart_add",
        "product_id": "85123A",
        "price": "2.55",
        "currency": "GBP",
    }
    operation = _post(
        "Give events of one topic",
        "Each event is checked by itself; refused ones are told here and kept among the dead letters. With "
        'Content-Type application/x-ndjson: one `{"topic": …, "event": …}` a line. With Content-Encoding gzip: packed; '
        "4 MiB at most, unpacked. An event_id that comes again within 10 minutes counts once.",
        "EventsRequest",
        {"topic": "customer_clicks", "events": [event]},
        {
            "202": ("At least one event was accepted, all are on the bus", "EventsAnswer"),
            **_refusals("400", "408", "409", "413", "415", "429", "503"),
        },
    )
    either = {"anyOf": [{"$ref": _REF.format(name=name)} for name in ("EventsAnswer", "Error")]}
    operation["responses"]["400"] = {
        "description": "No event was accepted (an EventsAnswer), or the body is wrong (an Error)",
        "content": {"application/json": {"schema": either}},
    }
    operation["requestBody"]["content"] |= {
        NDJSON: {"schema": {"type": "string", "description": "One event and its topic a line"}},
        COLUMNS: {"schema": _columns_request()},
    }
    operation["parameters"] = [
        deadline_parameter(),
        _header(SENDER_HEADER, "^[0-9a-f]{32}$", "Names the sender of numbered batches"),
        _header(BATCH_HEADER, "^[1-9][0-9]{0,8}$", "The batch's number: one that comes again counts once"),
    ]
    return operation


def _feedback() -> dict[str, Any]:
    operation = _post(
        "Tell what a customer said of an answer",
        "At least one of csat, nps, resolved and resolution_time_s.",
        "FeedbackRequest",
        {"customer_id": "17850", "decision_id": "0f3c", "csat": 5, "resolved": True},
        {
            "202": ("The feedback is on the bus", "FeedbackAnswer"),
            **_refusals("400", "408", "413", "415", "429", "503"),
        },
    )
    operation["parameters"] = [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "minLength": 1, "maxLength": 256},
            "description": "Repeating the request with the same key has no further effect for 10 minutes.",
        }
    ]
    return operation


def _webhook() -> dict[str, Any]:
    answered = {
        "202": ("The payload is on the bus: as its events, or as a dead letter", "WebhookAnswer"),
        **_refusals("400", "401", "404", "408", "413", "415", "429", "503"),
    }
    return {
        "summary": "Give a payload of a source that has a mapping file",
        "description": "The source signs the body as its mapping says. What cannot be mapped is kept as a dead letter.",
        "parameters": [
            {
                "name": "source",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"},
                "description": "The name of the mapping file",
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
        "responses": {status: _response(said, schema) for status, (said, schema) in answered.items()},
    }


def _decision() -> dict[str, Any]:
    answered = {"200": ("The decision as it was logged, and why in words", "DecisionExplained")}
    return {
        "summary": "What was decided, from what, and why",
        "description": "A decision can be found from a moment after it was made until its customer is erased.",
        "parameters": [
            {
                "name": "decision_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "description": "As POST /personalize gave it",
            }
        ],
        "responses": {
            status: _response(said, schema)
            for status, (said, schema) in {**answered, **_refusals("400", "404", "429", "503")}.items()
        },
    }


_REFUSALS = {
    "409": "The number of the batch was given to another batch",
    "400": "The request is wrong: field, reason and what is allowed",
    "401": "The source has not signed the body; nothing of it is kept",
    "408": "The body did not arrive in time",
    "404": "There is no such thing: source, or decision",
    "413": "The body is too large",
    "415": "The Content-Type or the Content-Encoding is not served",
    "429": "The bus is full, ingest is behind, or too many look-ups or batches wait: ask again after Retry-After",
    "503": "The service is starting, or bus or archive does not answer; ask again after Retry-After seconds",
}


def _refusals(*statuses: str) -> dict[str, tuple[str, str]]:
    return {status: (_REFUSALS[status], "Error") for status in statuses}


def _post(
    summary: str, text: str, request: str, example: object, responses: dict[str, tuple[str, str]]
) -> dict[str, Any]:
    return {
        "summary": summary,
        "description": text,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REF.format(name=request)}, "example": example}},
        },
        "responses": {status: _response(said, schema) for status, (said, schema) in sorted(responses.items())},
    }


def _get(summary: str, text: str, schema: str | None, *refusals: str) -> dict[str, Any]:
    answer = _response("OK", schema) if schema else {"description": "OK"}
    refused = {status: _response(said, name) for status, (said, name) in _refusals(*refusals).items()}
    return {"summary": summary, "description": text, "responses": {"200": answer, **refused}}


def _response(text: str, schema: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": _REF.format(name=schema)}}},
    }


def _header(name: str, pattern: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": {"type": "string", "pattern": pattern}, "description": text}


def _events_request() -> dict[str, Any]:
    return {
        "title": "EventsRequest",
        "oneOf": [_events_of(topic, kind.__name__) for topic, kind in EVENT_TYPES.items()],
    }


def _events_of(topic: str, event: str) -> dict[str, Any]:
    one = {"$ref": _REF.format(name=event)}
    some = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_EVENTS}
    return {
        "type": "object",
        "required": ["topic", "events"],
        "additionalProperties": False,
        "properties": {"topic": {"const": topic}, "events": {"anyOf": [some, one]}},
    }


def _columns_request() -> dict[str, Any]:
    tables = {"tables": {"type": "array"}, "plain": {"type": "array"}}
    return {"type": "object", "required": ["version"], "properties": {"version": {"const": 1}, **tables}}


def _says(name: str) -> dict[str, Any]:
    """A body that has this field, and not as null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def _with_decimals(value: Any) -> Any:
    """The schemas with decimals as they are read: text or number."""
    if isinstance(value, list):
        return [_with_decimals(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.get("format") == "decimal":
        return {**value, "type": ["string", "number"], "pattern": _DECIMAL}
    return {name: _with_decimals(inner) for name, inner in value.items()}


def _error() -> dict[str, Any]:
    text = {"type": "string"}
    fields = {
        "field": {**text, "description": "Dotted path; empty for the request as a whole"},
        "reason": {**text, "description": "A stable code"},
        "detail": {**text, "description": "The value, and what is allowed"},
    }
    return {
        "title": "Error",
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "object", "required": list(fields), "properties": fields}},
    }
