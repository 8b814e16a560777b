"""The clients beside the real service: the tags of a customer, events and feedback, and the example shop."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import httpx
import pytest
from guarded_world import Guarded
from serving_world import ROOT

from rapport.client import AsyncRapportClient, ClientOptions, RapportClient, Tags, tags_of
from rapport.errors import RequestRefused, ServiceUnavailable
from rapport.testing.models import NoiseModels
from rapport.testing.served import Served, free_port, wait_for

PATIENT_MS = 5_000


def options(served: Served) -> ClientOptions:
    return ClientOptions(url=served.url, deadline_ms=PATIENT_MS)


def test_the_tags_are_the_decision(served: Served, models: NoiseModels) -> None:
    session = {"message": "I HATE this, I am STILL waiting!!!", "channel": "web", "page": None, "locale": "de-AT"}
    with RapportClient(options(served)) as client:
        decision = client.decide("ann", session)
        tags = client.get_personalization_tags("ann", session)

    async def ask() -> Tags:
        async with AsyncRapportClient(options(served)) as client:
            return await client.get_personalization_tags("ann", session)

    each_time = {"decision_id", "feature_age_s"}
    expected = {name: value for name, value in tags_of(decision).items() if name not in each_time}
    for found in (tags, asyncio.run(ask())):
        assert {name: value for name, value in found.items() if name not in each_time} == expected
    assert tags["segment"] == decision["segment"] != "Unknown"
    assert tags["sentiment"] == "negative"
    assert tags["template_locale"] == "de"
    assert {"score_purchase_propensity", "score_escalation_risk"} <= set(tags)


def test_times_and_exact_numbers_are_taken_as_such(served: Served) -> None:
    price = {"amount": Decimal("19.90"), "currency": "EUR"}
    session = {"message": "Hi", "message_time": datetime.now(UTC), "slots": {"price": price, "order": uuid4()}}
    with RapportClient(options(served)) as client:
        assert client.decide("ann", session)["decision_id"]


def test_many_turns_in_one_call(served: Served, models: NoiseModels) -> None:
    turns = [("ann", {"message": "Hi", "page": None, "slots": {"price": Decimal(1)}}), ("", None), ("ben", None)]
    with RapportClient(options(served)) as client:
        ann, nobody, ben = client.decide_batch(turns)
        assert ann["decision"]["segment"] == "Champions" and ben["decision"]["decision_id"]
        assert nobody == {"error": {**nobody["error"], "field": "customer_id"}}
        many = client.decide_batch([("ann", None)] * 500)
        assert len({one["decision"]["decision_id"] for one in many}) == 500
        with pytest.raises(RequestRefused, match="turns"):
            client.decide_batch([])


def test_events_and_feedback_arrive(served: Served) -> None:
    click = {"event_id": "clients-1", "customer_id": "ann", "event_time": "2026-03-01T12:00:00Z", "action": "view"}
    with RapportClient(options(served)) as client:
        answer = client.send_events("customer_clicks", [click, {**click, "action": "nonsense"}])
        assert [result["status"] for result in answer["results"]][1] == "refused"
        assert client.send_events("customer_clicks", [{"event_id": "clients-2"}])["refused"] == 1
        assert client.feedback("ann", csat=5, idempotency_key="clients").startswith("fb-")


def test_a_refusal_names_the_field_and_costs_only_the_tags(served: Served) -> None:
    with RapportClient(options(served)) as client:
        with pytest.raises(RequestRefused, match=r"locale") as caught:
            client.decide("ann", {"locale": "!"})
        assert (caught.value.status, caught.value.reason) == (400, "bad_value")
        assert client.get_personalization_tags("ann", {"locale": "!"}) == {}
        assert client.circuit == "closed"


def test_production_takes_the_key_over_tls(guarded: Guarded) -> None:
    given = ClientOptions(url=guarded.served.url, ca_file=guarded.authority, deadline_ms=PATIENT_MS)
    key = guarded.key("a shop", ["decide"])
    with RapportClient(replace(given, key=key)) as client:
        wait_for(lambda: client.get_personalization_tags("ann"), "the key is not known")
        with pytest.raises(RequestRefused) as caught:
            client.feedback("ann", csat=5)
        assert (caught.value.status, caught.value.reason) == (403, "missing_scope")
    with RapportClient(given) as client, pytest.raises(RequestRefused) as caught:
        client.decide("ann")
    assert caught.value.status == 401
    with (
        RapportClient(replace(given, key=key, ca_file=None)) as client,
        pytest.raises(ServiceUnavailable, match="CERT"),
    ):
        client.decide("ann")


@pytest.mark.parametrize("up", [True, False])
def test_the_example_shop(served: Served, models: NoiseModels, up: bool) -> None:
    port = free_port()
    url = served.url if up else f"http://127.0.0.1:{free_port()}"
    shop = subprocess.Popen(
        [sys.executable, "-m", "examples.flask_shop", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, "RAPPORT_SERVICE_URL": url},
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as http:
            wait_for(lambda: _answers(http), "the shop did not come up")
            assert http.get("/?customer=ann").status_code == 200
            tags = http.post("/chat", data={"message": "I HATE this!!!"}).json()
    finally:
        shop.terminate()
        shop.wait(10)
    assert ("decision_id" in tags) is up
    assert tags["template_text"]


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/terms").status_code == 200
    except httpx.HTTPError:
        return False
