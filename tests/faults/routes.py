"""Each route of the service as the fault matrix asks it. A route without a row here fails the matrix's test: say how it
is asked, and what it may answer while something is broken."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rapport.webhooks import sign
from tests.faults.world import World
from tests.serving.platform_server import CHATWOOT, SECRET

__all__ = ["ROUTES", "Route", "Sent"]

_MODEL = "/v2/models/purchase_propensity"
_TEXT = "Where is my parcel?"


class Sent(NamedTuple):
    """A request.

    Attributes:
        body: JSON; None: none.
        headers: beyond those that each has.
    """

    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = {}


class Route(NamedTuple):
    """How a route is asked.

    Attributes:
        sent: makes a request of its own each time, with a number that no other has.
        needs: the parts without which it may refuse (429 or 503, with the time after which to come back); a decision
            needs none. bus, log, mapping, platform, or keys.
        degraded: where an answer says what was missing.
        usual: what it answers when all it needs is there.
    """

    sent: Callable[[World, int], Sent]
    needs: frozenset[str] = frozenset()
    degraded: Callable[[Any], list[str]] = lambda answer: []
    usual: int = 200


def _json(path: str, body: Any) -> Sent:
    return Sent(path, json.dumps(body).encode())


def _get(path: str) -> Callable[[World, int], Sent]:
    return lambda world, number: Sent(path)


def _personalize(world: World, number: int) -> Sent:
    return _json("/personalize", {"customer_id": "ann", "session_data": {"message": _TEXT}})


def _batch(world: World, number: int) -> Sent:
    turn = {"customer_id": "ann", "session_data": {"message": _TEXT}}
    return _json("/personalize/batch", {"turns": [turn, turn]})


def _context(world: World, number: int) -> Sent:
    return _json("/chatbots/context", {"customer_id": "ann", "session_data": {"message": _TEXT}})


def _events(world: World, number: int) -> Sent:
    click = {"event_id": f"m{number}", "customer_id": "ann", "event_time": "2026-01-01T00:00:00Z", "action": "view"}
    return _json("/events", {"topic": "customer_clicks", "events": [click]})


def _feedback(world: World, number: int) -> Sent:
    return _json("/feedback", {"customer_id": "ann", "csat": 5, "idempotency_key": f"k{number}"})


def _webhook(world: World, number: int) -> Sent:
    given = {"kind": "stars", "id": number, "who": "ann", "at": "2026-01-01T00:00:00Z", "stars": 4}
    return _json("/webhooks/shop", given)


def _rasa(world: World, number: int) -> Sent:
    slots = {"degraded": None, "tone": None}
    tracker = {"sender_id": "ann", "slots": slots, "latest_message": {"text": _TEXT}}
    return _json("/chatbots/rasa/webhook", {"next_action": "action_personalize", "tracker": tracker})


def _es(world: World, number: int) -> Sent:
    return _json("/chatbots/dialogflow/es", {"queryResult": {"queryText": _TEXT}, "session": "a/sessions/ann"})


def _cx(world: World, number: int) -> Sent:
    return _json("/chatbots/dialogflow/cx", {"text": _TEXT, "payload": {"userId": "ann"}})


def _chatwoot(world: World, number: int) -> Sent:
    conversation = {"id": 88, "status": "pending", "channel": "web", "meta": {"sender": {"identifier": "ann"}}}
    event = {"event": "message_created", "id": number, "content": _TEXT, "message_type": "incoming", "private": False}
    event |= {"sender": {"id": 9, "type": "contact"}, "conversation": conversation, "account": {"id": 1}}
    body = json.dumps(event).encode()
    return Sent("/chatbots/chatwoot", body, sign(CHATWOOT, SECRET.encode(), body, str(int(time.time()))))


def _bot_framework(world: World, number: int) -> Sent:
    activity = {"type": "message", "id": f"a-{number}", "serviceUrl": world.platforms.url, "channelId": "webchat"}
    activity |= {"from": {"id": "ann"}, "recipient": {"id": "bot"}, "conversation": {"id": "c"}, "text": _TEXT}
    headers = {"Authorization": f"Bearer {world.platforms.token()}"}
    return Sent("/chatbots/bot-framework", json.dumps(activity).encode(), headers)


def _decision(world: World, number: int) -> Sent:
    return Sent(f"/decisions/{world.known_decision}")


def _infer(path: str) -> Callable[[World, int], Sent]:
    """A row of nothing, which every model takes."""

    def sent(world: World, number: int) -> Sent:
        width = world.model_width
        row = {"name": "rows", "shape": [1, width], "datatype": "FP64", "data": [None] * width}
        return _json(path, {"inputs": [row]})

    return sent


def _slots(answer: Any) -> list[str]:
    said = [event["value"] for event in answer["events"] if event.get("name") == "degraded"]
    return _codes(said[0] if said else "")


def _of_turns(answer: Any) -> list[str]:
    return [code for result in answer["results"] for code in result["decision"]["degraded"]]


def _codes(text: str | None) -> list[str]:
    return [code for code in (text or "").replace(" ", "").split(",") if code]


_BUS = frozenset({"bus"})
_PLATFORM = frozenset({"platform"})

ROUTES: Mapping[tuple[str, str], Route] = {
    ("POST", "/personalize"): Route(_personalize, degraded=lambda answer: answer["degraded"]),
    ("POST", "/personalize/batch"): Route(_batch, degraded=_of_turns),
    ("POST", "/chatbots/context"): Route(_context, degraded=lambda answer: answer["degraded"]),
    ("POST", "/chatbots/rasa/webhook"): Route(_rasa, degraded=_slots),
    ("POST", "/chatbots/dialogflow/es"): Route(
        _es, degraded=lambda answer: _codes(answer["payload"]["rapport"]["degraded"])
    ),
    ("POST", "/chatbots/dialogflow/cx"): Route(
        _cx, degraded=lambda answer: _codes(answer["sessionInfo"]["parameters"]["rapport_degraded"])
    ),
    ("POST", "/chatbots/chatwoot"): Route(_chatwoot, _PLATFORM),
    ("POST", "/chatbots/bot-framework"): Route(_bot_framework, _PLATFORM),
    ("GET", "/chatbots/rasa/actions"): Route(_get("/chatbots/rasa/actions")),
    ("GET", "/chatbots/rasa/health"): Route(_get("/chatbots/rasa/health")),
    ("POST", "/events"): Route(_events, _BUS, usual=202),
    ("POST", "/feedback"): Route(_feedback, _BUS, usual=202),
    ("POST", "/webhooks/{source}"): Route(_webhook, _BUS | {"mapping"}, usual=202),
    ("GET", "/decisions/{decision_id}"): Route(_decision, frozenset({"log"})),
    ("POST", "/v2/models/{model}/infer"): Route(_infer(_MODEL + "/infer")),
    ("POST", "/v2/models/{model}/versions/{version}/infer"): Route(_infer(_MODEL + "/versions/1/infer")),
    ("GET", "/v2/models/{model}"): Route(_get(_MODEL)),
    ("GET", "/v2/models/{model}/versions/{version}"): Route(_get(_MODEL + "/versions/1")),
    ("GET", "/v2/models/{model}/ready"): Route(_get(_MODEL + "/ready")),
    ("GET", "/v2/models/{model}/versions/{version}/ready"): Route(_get(_MODEL + "/versions/1/ready")),
    ("GET", "/v2"): Route(_get("/v2")),
    ("GET", "/v2/"): Route(_get("/v2/")),
    ("GET", "/v2/health/live"): Route(_get("/v2/health/live")),
    ("GET", "/v2/health/ready"): Route(_get("/v2/health/ready")),
    ("GET", "/livez"): Route(_get("/livez")),
    ("GET", "/readyz"): Route(_get("/readyz")),
    ("GET", "/health"): Route(_get("/health")),
    ("GET", "/metrics"): Route(_get("/metrics")),
    ("GET", "/openapi.json"): Route(_get("/openapi.json")),
    ("GET", "/docs"): Route(_get("/docs")),
    ("GET", "/"): Route(_get("/")),
}
