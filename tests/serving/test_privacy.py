"""The service's own log names nobody, whatever happens: canaries are put into every input and looked for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
from guarded_world import Guarded
from test_access_matrix import operations

from rapport.access import SCOPES
from rapport.testing.models import NoiseModels
from rapport.testing.served import Served, wait_for

CANARY, SAID = "canary-7f3a91", "my secret is zebra-51b2"
MEDIA = ("application/json", "application/x-ndjson", "application/vnd.rapport.columns+json", "text/plain")


def test_no_customer_and_no_message_in_the_log(served: Served, models: NoiseModels) -> None:
    served.decide(CANARY, message=SAID)
    for path in ("/personalize", "/events", "/feedback"):
        for body in (
            {"customer_id": CANARY, "session_data": SAID},
            {"customer_id": CANARY, "topic": SAID, "events": SAID},
        ):
            assert served.http.post(path, json=body).status_code == 400
    served.http.get(f"/{CANARY}", params={"q": SAID})
    log = served.log.read_text()
    assert "initialized" in log
    assert CANARY not in log and SAID not in log


def test_nothing_that_is_sent_is_in_the_log_in_production(guarded: Guarded) -> None:
    key = guarded.key("canaries", list(SCOPES))
    token = guarded.token(" ".join(SCOPES), canary=CANARY)
    credentials = [key, token, guarded.token("", sub=CANARY), f"rapport_{CANARY}", CANARY, guarded.token("decide")[:-9]]
    told = {"Authorization": f"Bearer {key}"}
    wait_for(lambda: guarded.main.post("/feedback", headers=told).status_code != 401, "the key is not seen", 10)
    statuses = {answer.status_code for answer in _every_request(guarded, credentials)}
    assert {200, 202, 400, 401, 404, 413, 415} <= statuses and max(statuses) < 500
    log = guarded.log.read_text()
    assert "initialized" in log
    parts = [part for credential in credentials for part in (credential, *credential.split(".")) if len(part) > 30]
    planted = [CANARY, SAID, base64.b64encode(CANARY.encode()).decode(), key.rpartition("_")[2], *parts]
    assert not [text for text in planted if text in log]


def _every_request(guarded: Guarded, credentials: list[str]) -> Iterator[httpx.Response]:
    for operation in operations():
        path = operation.path.format(source=CANARY, decision_id=CANARY, model=CANARY, version=CANARY)
        client = guarded.admin if operation.admin else guarded.main
        for credential in credentials:
            headers = {"Authorization": f"Bearer {credential}", "User-Agent": CANARY, "Idempotency-Key": CANARY}
            yield client.request(operation.method, path, params={"q": SAID}, headers=headers)
        if operation.method == "POST":
            for media_type in MEDIA:
                headers = {"Authorization": f"Bearer {credentials[0]}", "Content-Type": media_type}
                for body in _bodies(operation.example):
                    yield client.post(path, content=body, headers={**headers, "Rapport-Sender": CANARY})
                    yield client.post(path, content=body, headers=headers)
    yield guarded.main.get(f"/{CANARY}", params={"q": SAID}, headers={"Cookie": CANARY, "Referer": SAID})
    yield guarded.main.request("PROPFIND", f"/personalize/{CANARY}")


def _bodies(example: Any) -> Iterator[bytes]:
    text = httpx.Request("POST", "http://x", json=_planted(example)).content
    yield text
    yield text[:-5]
    yield text + CANARY.encode()
    yield b'{"customer_id": "' + CANARY.encode() + b'\xff"}'
    yield b"[" * 2_000 + CANARY.encode()
    yield CANARY.encode() * 400_000


def _planted(value: Any) -> Any:
    """The example with a canary as the customer and another in each of its other texts that may be any."""
    if isinstance(value, dict):
        free = {"customer_id": CANARY, "message": SAID, "product_id": SAID, "decision_id": CANARY, "event_id": CANARY}
        return {name: free.get(name) or _planted(inner) for name, inner in value.items()}
    return [_planted(inner) for inner in value] if isinstance(value, list) else value
