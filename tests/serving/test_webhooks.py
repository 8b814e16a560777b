"""Webhooks over HTTP: signed by their source, mapped, on the bus, in the features; and what cannot be mapped."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from flowing import features_of, run_features, run_ingest
from serving_world import now_us

from rapport.bus import open_bus
from rapport.cli.main import run
from rapport.dead_letters import LetterFilter, StoredLetter, list_letters
from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for
from rapport.webhooks import example_payloads, example_text, load_source, sign

SECRET = b"a secret of the tests, long enough"
OPEN = """\
name: open
unsigned: true
time: {column: at}
customer: {column: who}
event_id: "open:{id}"
events:
  - topic: feedback
    when: {kind: {equals: stars}}
    fields:
      csat: {column: stars, type: integer}
"""


@pytest.fixture(scope="module")
def hooks(served: Served, project: Project) -> Iterator[Served]:
    """The service with a shop, a help desk, and a source that nobody signs for."""
    folder = project.root / "webhooks"
    folder.mkdir(exist_ok=True)
    for name in ("shop", "helpdesk"):
        (folder / f"{name}.secret").write_bytes(SECRET)
        (folder / f"{name}.yaml").write_text(example_text(name))
    (folder / "open.yaml").write_text(OPEN)
    for name in ("shop", "helpdesk", "open"):
        taken(served, name)
    yield served
    for path in folder.iterdir():
        path.unlink()
    served.wait_health(lambda health: "webhooks" not in str(health["problems"]), "their end is not noticed")


def taken(served: Served, name: str) -> None:
    plain = {"Content-Type": "text/plain"}  # refused by every source
    wait_for(lambda: send(served, name, b"", plain).status_code == 415, f"{name} is not taken", 10)


def signed(project: Project, name: str, body: bytes, **headers: str) -> dict[str, str]:
    rule = load_source(project.root / "webhooks" / f"{name}.yaml").mapping.signature
    assert rule is not None
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {"Content-Type": "application/json", **named, **sign(rule, SECRET, body, at)}


def send(served: Served, name: str, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    given = {"Content-Type": "application/json"} if headers is None else headers
    return served.http.post(f"/webhooks/{name}", content=body, headers=given)


def letters(project: Project, source: str) -> list[StoredLetter]:
    return list_letters(open_bus(project.settings), LetterFilter(topic=f"webhook:{source}"), limit=1_000)


def error_of(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["error"]["reason"])


def an_order(number: int, customer: int, **changes: Any) -> bytes:
    order = {**json.loads(example_payloads("shop")["orders_create"]), "id": number, "customer": {"id": customer}}
    return json.dumps({**order, "created_at": datetime.now(UTC).isoformat(), **changes}).encode()


def test_an_order_is_in_the_features_once_however_often_it_comes(hooks: Served, project: Project) -> None:
    run_ingest(project)
    body = an_order(1, 501)
    headers = signed(project, "shop", body, X_Shopify_Topic="orders/create")
    answers = [send(hooks, "shop", body, headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert answers[0].json() == {
        "source": "shop",
        "status": "accepted",
        "events": [
            {"topic": "purchase_events", "event_id": "shop:order:1:466157049"},
            {"topic": "purchase_events", "event_id": "shop:order:1:518995019"},
        ],
        "skipped": 0,
        "dead_letter": None,
    }
    assert run_ingest(project) == {"accepted:purchase_events": 2, "dead:duplicate": 4}
    run_features(project)
    assert 61_380_000 in features_of(project, "501", now_us()).values()
    assert hooks.metric('rapport_webhooks_total{result="accepted",source="shop"}') >= 3


def test_a_ticket_of_the_help_desk(hooks: Served, project: Project) -> None:
    run_ingest(project)
    body = example_payloads("helpdesk")["comment_added"]
    answer = send(hooks, "helpdesk", body, signed(project, "helpdesk", body))
    assert [event["topic"] for event in answer.json()["events"]] == ["support_tickets", "chat_messages"]
    assert run_ingest(project) == {"accepted:chat_messages": 1, "accepted:support_tickets": 1}


def test_who_has_not_signed_leaves_nothing(hooks: Served, project: Project) -> None:
    run_ingest(project)
    before = letters(project, "shop")
    body = an_order(2, 502)
    good = signed(project, "shop", body, X_Shopify_Topic="orders/create")
    assert error_of(send(hooks, "shop", body), 401) == "missing_signature"
    assert error_of(send(hooks, "shop", body + b" ", good), 401) == "bad_signature"
    assert error_of(send(hooks, "shop", b"{", good), 401) == "bad_signature"
    body = example_payloads("helpdesk")["ticket_created"]
    late = signed(project, "helpdesk", body)
    rule = load_source(project.root / "webhooks" / "helpdesk.yaml").mapping.signature
    assert rule is not None
    old = {**late, **sign(rule, SECRET, body, str(int(time.time()) - 900))}
    assert error_of(send(hooks, "helpdesk", body, old), 401) == "stale_signature"
    assert run_ingest(project) == {} and letters(project, "shop") == before
    assert hooks.metric('rapport_webhooks_total{result="stale_signature",source="helpdesk"}') == 1


def test_requests_that_are_none(hooks: Served) -> None:
    assert error_of(send(hooks, "nobody", b"{}"), 404) == "unknown_source"
    assert error_of(send(hooks, "..%2fshop", b"{}"), 404) == "not_found"
    assert error_of(hooks.http.get("/webhooks/shop"), 405) == "method_not_allowed"
    assert error_of(send(hooks, "open", b"{}", {"Content-Type": "text/plain"}), 415) == "bad_media_type"
    assert error_of(send(hooks, "open", b" " * 524_289), 413) == "too_large"
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert error_of(send(hooks, "open", gzip.compress(b"{}"), packed), 415) == "bad_encoding"


def test_what_cannot_be_mapped_is_kept_and_mapped_once_the_mapping_is_right(
    hooks: Served, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_ingest(project)
    monkeypatch.setenv("RAPPORT_ROOT", str(project.root))
    at = datetime.now(UTC).isoformat()
    body = f'{{"kind": "thumbs",  "id": 7, "who": "thea", "at": "{at}", "stars": "4"}}'.encode()
    answer = send(hooks, "open", body).json()
    assert answer["status"] == "dead_letter" and answer["events"] == []
    assert answer["dead_letter"]["reason"] == "unmapped" and "no rule" in answer["dead_letter"]["detail"]
    (letter,) = letters(project, "open")
    assert letter.letter.raw == body and letter.letter.schema.startswith("open@")

    # As long as nothing is changed it is refused again, and gives another letter.
    assert run(["deadletters", "retry", letter.id]) == 0
    (again,) = letters(project, "open")
    assert again.id != letter.id and (again.letter.raw, again.letter.origin) == (body, "retry")

    # With a mapping that takes it, the whole payload is mapped.
    mapping = project.root / "webhooks" / "open.yaml"
    mapping.write_text(OPEN.replace("{equals: stars}", "{one_of: [stars, thumbs]}"))
    assert run(["deadletters", "retry", "--topic", "webhook:open"]) == 0
    assert letters(project, "open") == []
    assert run_ingest(project) == {"accepted:feedback": 1}
    run_features(project)
    assert 4.0 in features_of(project, "thea", now_us()).values()
    capsys.readouterr()


def test_a_letter_keeps_the_headers_that_its_mapping_reads_and_the_customer(hooks: Served, project: Project) -> None:
    body = an_order(3, 503, currency="euro")
    headers = signed(project, "shop", body, X_Shopify_Topic="orders/create", X_Other="secret")
    problem = send(hooks, "shop", body, headers).json()["dead_letter"]
    assert (problem["field"], problem["reason"]) == ("currency", "bad_value")
    assert "events[0], line_items item 1" in problem["detail"]
    (letter,) = [one.letter for one in letters(project, "shop") if one.letter.raw == body]
    assert letter.headers == {"x-shopify-topic": "orders/create"} and letter.key == "503"
    assert letter.customers == ["503"]


def test_a_mapping_that_becomes_wrong_is_told_of_and_the_last_one_goes_on(hooks: Served, project: Project) -> None:
    mapping = project.root / "webhooks" / "open.yaml"
    mapping.write_text(OPEN + "colour: red\n")
    new = project.root / "webhooks" / "new.yaml"
    new.write_text("name: new\n")
    hooks.wait_health(lambda health: "colour" in str(health["problems"]), "nobody noticed")
    stars = {"kind": "stars", "id": 8, "who": "theo", "at": "2026-01-05T10:00:00Z", "stars": 4}
    assert send(hooks, "open", json.dumps(stars).encode()).json()["status"] == "accepted"
    unavailable = send(hooks, "new", b"{}")
    assert error_of(unavailable, 503) == "mapping_unavailable" and unavailable.headers["retry-after"]
    mapping.write_text(OPEN)
    new.unlink()
    hooks.wait_health(lambda health: "webhooks" not in str(health["problems"]), "nobody noticed that it is right again")


def test_the_command_line_shows_sources_and_tries_payloads(
    hooks: Served, project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAPPORT_ROOT", str(project.root))

    def printed(*arguments: str, code: int = 0) -> str:
        capfd.readouterr()
        assert run(["webhooks", *arguments]) == code
        return "".join(capfd.readouterr())

    listed = json.loads(printed("list", "--json"))["sources"]
    assert [(row["source"], row["signed"], row["problem"]) for row in listed] == [
        ("helpdesk", "X-Zendesk-Webhook-Signature", None),
        ("open", "unsigned", None),
        ("shop", "X-Shopify-Hmac-Sha256", None),
    ]
    assert "X-Shopify-Hmac-Sha256" in printed()
    assert "orders_create" in printed("example")
    assert printed("example", "shop") == example_text("shop")
    payload = project.root / "order.json"
    payload.write_text(printed("example", "shop", "--payload", "orders_create"))
    topic = ("--header", "X-Shopify-Topic: orders/create")
    made = json.loads(printed("try", "shop", str(payload), *topic, "--json"))
    assert [event["event"]["amount"] for event in made["events"]] == ["15.30", "46.08"]
    assert "amount: 46.08" in printed("try", "shop", str(payload), *topic)
    assert "unmapped" in printed("try", "shop", str(payload), code=2)
    assert "has no payload" in printed("example", "shop", "--payload", "x", code=2)
    assert "cannot be read" in printed("try", "nobody", str(payload), code=2)
