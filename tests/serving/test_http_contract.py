"""The HTTP contract: every endpoint, every refusal, in one shape."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bentos.chatbot_routes import ChatbotRoutes
from bentos.inference import InferenceRoutes
from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for

JSON = {"Content-Type": "application/json"}
CLICK = {"event_id": "c1", "customer_id": "ann", "event_time": "2026-01-01T00:00:00Z", "action": "view"}


def error_of(response: httpx.Response, status: int) -> dict[str, str]:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"field", "reason", "detail"}
    return dict(error)


def post(served: Served, path: str, body: bytes, **headers: str) -> httpx.Response:
    return served.http.post(path, content=body, headers={**JSON, **headers})


@pytest.mark.parametrize(
    ("body", "field", "reason", "said"),
    [
        (b"", "", "bad_json", "truncated"),
        (b"{", "", "bad_json", "truncated"),
        (b"[1]", "", "bad_value", "[1]"),
        (b"{}", "customer_id", "missing_field", "required"),
        (b'{"customer_id": 17}', "customer_id", "bad_value", "got 17"),
        (b'{"customer_id": ""}', "customer_id", "bad_value", "length >= 1"),
        (b'{"customer_id": "a\\u0007"}', "customer_id", "bad_value", "matching"),
        (b'{"customer_id": "\xff"}', "", "bad_json", "utf-8"),
        (b'{"customer_id": "a", "tone": 1}', "tone", "unknown_field", "openapi"),
        (b'{"customer_id": "a", "session_data": {"mesage": ""}}', "session_data.mesage", "unknown_field", "openapi"),
        (b'{"customer_id": "a", "session_data": {"locale": "!"}}', "session_data.locale", "bad_value", "got '!'"),
        (b'{"customer_id": "a", "session_data": null}', "session_data", "bad_value", "got null"),
        (b'{"customer_id": "a", "session_data": ' + b"[" * 30_000, "session_data", "bad_value", "array"),
        (b'{"customer_id": "' + b"x" * 129 + b'"}', "customer_id", "bad_value", "length <= 128"),
        (
            b'{"customer_id":"a","session_data":{"message":"' + b"m" * 4_001 + b'"}}',
            "session_data.message",
            "bad_value",
            "4000",
        ),
    ],
)
def test_a_wrong_request_is_refused_by_name(served: Served, body: bytes, field: str, reason: str, said: str) -> None:
    error = error_of(post(served, "/personalize", body), 400)
    assert (error["field"], error["reason"]) == (field, reason)
    assert said in error["detail"] and len(error["detail"]) < 400


@pytest.mark.parametrize(("path", "limit"), [("/personalize", 65_536), ("/feedback", 16_384), ("/events", 4_194_304)])
def test_a_large_body_is_refused(served: Served, path: str, limit: int) -> None:
    whole = error_of(post(served, path, b" " * (limit + 1)), 413)
    assert whole["reason"] == "too_large" and f"{limit:,}" in whole["detail"]

    def in_parts() -> Any:
        for _ in range(limit // 8_192 + 1):
            yield b" " * 8_192

    streamed = served.http.post(path, content=in_parts(), headers=JSON)
    assert error_of(streamed, 413)["reason"] == "too_large"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
@pytest.mark.parametrize("path", ["/personalize", "/feedback", "/events"])
def test_only_json_is_taken(served: Served, path: str, media_type: str) -> None:
    error = error_of(post(served, path, b"{}", **{"Content-Type": media_type}), 415)
    assert error["reason"] == "bad_media_type" and "application/json" in error["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/personalize", 405, "method_not_allowed"),
        ("PUT", "/events", 405, "method_not_allowed"),
        ("GET", "/webhooks/shop", 405, "method_not_allowed"),
        ("POST", "/webhooks/shop/orders", 404, "not_found"),
        ("POST", "/webhooks/", 404, "not_found"),
        ("POST", "/webhooks/shop", 404, "unknown_source"),
        ("POST", "/", 405, "method_not_allowed"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/docs/assets/../../../../etc/passwd", 404, "not_found"),
        ("GET", "/docs/assets/%2e%2e/%2e%2e/server/__init__.py", 404, "not_found"),
        ("PROPFIND", "/personalize", 405, "method_not_allowed"),
    ],
)
def test_other_paths_and_methods(served: Served, method: str, path: str, status: int, reason: str) -> None:
    assert error_of(served.http.request(method, path), status)["reason"] == reason


def test_no_other_origin_may_read(served: Served) -> None:
    origin = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    preflight = served.http.request("OPTIONS", "/personalize", headers=origin)
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_probes_and_pages(served: Served) -> None:
    assert served.http.get("/livez").json() == {"alive": True}
    health = served.health()
    assert health["ready"] and health["redis"] and health["bus"] and health["policy"]
    strict = served.http.get("/readyz", params={"strict": "1"}).status_code
    assert strict == (200 if health["status"] == "ok" else 503)
    assert error_of(served.http.get("/readyz", params={"strict": "yes"}), 400)["field"] == "strict"
    for path in ("/", "/docs"):
        page = served.http.get(path)
        assert page.status_code == 200 and "text/html" in page.headers["content-type"]
        assert "http://" not in page.text.replace(served.url, "") and "https://" not in page.text
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert served.http.get(f"/docs/assets/{asset}").status_code == 200


def test_the_description_has_every_route_and_resolves(served: Served) -> None:
    described = served.http.get("/openapi.json").json()
    paths = {
        "/personalize",
        "/personalize/batch",
        "/events",
        "/feedback",
        "/webhooks/{source}",
        "/decisions/{decision_id}",
        "/livez",
        "/readyz",
        "/health",
        "/metrics",
    }
    chatbots = {route[0] for route in ChatbotRoutes(_nobody).routes()}
    inference = {route.path for route in InferenceRoutes(_nobody).routes()}
    assert set(described["paths"]) == paths | chatbots | inference
    names = set(described["components"]["schemas"])
    used = {ref.rpartition("/")[2] for ref in _refs(described)}
    assert (
        used <= names and {"PersonalizeRequest", "Decision", "EventsAnswer", "WebhookAnswer", "Error", "Health"} <= used
    )


def test_metrics_count_answers(served: Served) -> None:
    name = 'rapport_http_answers_total{path="/personalize",status="400"}'
    before = served.metric(name)
    post(served, "/personalize", b"{}")
    assert served.metric(name) == before + 1
    assert served.metric("rapport_decisions_total") > 0 or served.decide("ann")


def test_events_one_by_one(served: Served, project: Project) -> None:
    events = [CLICK, {**CLICK, "action": "viewed"}, 3, {**CLICK, "event_time": "2126-01-01T00:00:00Z"}]
    response = served.http.post("/events", json={"topic": "customer_clicks", "events": events})
    assert response.status_code == 202
    answer = response.json()
    assert (answer["accepted"], answer["refused"]) == (1, 3)
    assert [result["status"] for result in answer["results"]] == ["accepted", "refused", "refused", "refused"]
    assert [result.get("reason") for result in answer["results"]] == [None, "bad_value", "bad_value", "future_event"]
    assert answer["results"][1]["field"] == "action"
    with project.client() as client:
        assert client.xlen("rapport:bus:customer_clicks:0") >= len(events)


def test_one_event_and_lines(served: Served) -> None:
    one = served.http.post("/events", json={"topic": "customer_clicks", "events": CLICK})
    assert one.json() == {"accepted": 1, "refused": 0, "results": [{"index": 0, "status": "accepted"}]}
    line = b'{"topic": "customer_clicks", "event": {"event_id": "x"}}\n'
    lines = post(served, "/events", line * 2, **{"Content-Type": "application/x-ndjson"})
    assert lines.status_code == 400 and lines.json()["refused"] == 2


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (b'{"topic": "clicks", "events": []}', "topic", "unknown_topic"),
        (b'{"topic": "customer_clicks", "events": []}', "events", "bad_value"),
        (b'{"topic": "customer_clicks"}', "events", "missing_field"),
        (b'{"topic": "customer_clicks", "events": [' + b"1," * 5_000 + b"1]}", "events", "bad_value"),
        (b'{"topic": "customer_clicks", "events": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "", "bad_json"),
    ],
)
def test_event_bodies_that_are_refused_whole(served: Served, body: bytes, field: str, reason: str) -> None:
    error = error_of(post(served, "/events", body), 400)
    assert (error["field"], error["reason"]) == (field, reason)


def test_a_wrong_line_is_named(served: Served) -> None:
    body = b'{"topic": "customer_clicks", "event": {}}\n\n{"topic": 1}\n'
    error = error_of(post(served, "/events", body, **{"Content-Type": "application/x-ndjson"}), 400)
    assert error["field"] == "line 3, topic"


def test_feedback_is_an_event_once_per_key(served: Served, project: Project) -> None:
    body = {"customer_id": "ann", "decision_id": "d1", "csat": 4, "resolved": True}
    first = served.http.post("/feedback", json=body, headers={"Idempotency-Key": "k1"})
    again = served.http.post("/feedback", json={**body, "idempotency_key": "k1"})
    other = served.http.post("/feedback", json={**body, "customer_id": "ben"}, headers={"Idempotency-Key": "k1"})
    free = [served.http.post("/feedback", json=body).json()["event_id"] for _ in range(2)]
    assert first.status_code == 202
    assert first.json() == again.json() != other.json()
    assert len({first.json()["event_id"], other.json()["event_id"], *free}) == 4

    def on_the_bus() -> bool:
        with project.client() as client:
            entries = client.xrange("rapport:bus:feedback:0")
        return sum(first.json()["event_id"].encode() in value for _, entry in entries for value in entry.values()) == 2

    wait_for(on_the_bus, "the feedback is not on the bus", 5)


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"customer_id": "ann"}, "", "missing_field"),
        ({"customer_id": "ann", "csat": 6}, "csat", "bad_value"),
        ({"customer_id": "ann", "csat": 4.5}, "csat", "bad_value"),
        ({"customer_id": "ann", "nps": -1}, "nps", "bad_value"),
        ({"csat": 3}, "customer_id", "missing_field"),
        ({"customer_id": "ann", "csat": 3, "stars": 1}, "stars", "unknown_field"),
        ({"customer_id": "ann", "csat": 3, "event_time": "2026-01-01T00:00:00"}, "event_time", "bad_value"),
    ],
)
def test_wrong_feedback(served: Served, body: dict[str, Any], field: str, reason: str) -> None:
    error = error_of(served.http.post("/feedback", json=body), 400)
    assert (error["field"], error["reason"]) == (field, reason)


def test_an_integer_may_be_written_with_a_fraction_of_nothing(served: Served) -> None:
    assert post(served, "/feedback", b'{"customer_id": "ann", "csat": 4.0, "nps": 1e1}').status_code == 202
    assert post(served, "/feedback", b'{"customer_id": "ann", "csat": 4.0, "nps": 1e2}').status_code == 400


def _nobody() -> Any:
    raise AssertionError("nobody asks")


def _refs(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for inner in value.values() for ref in _refs(inner)]
    return [ref for inner in value for ref in _refs(inner)] if isinstance(value, list) else []
