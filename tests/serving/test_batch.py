"""POST /personalize/batch: each turn's result is what it would have got alone, and none spoils another's."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from guarded_world import TENANT, Guarded
from serving_world import now_us
from test_replays import MESSAGES, SLOTS, logged

from bentos.batch import BATCH_LIMIT_BYTES, PERSONALIZE_LIMIT_BYTES
from bentos.schemas import MOST_TURNS
from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for

CUSTOMERS = ("ann", "ben", "cleo", "dora", "nobody", "ann")
OF_EACH_TIME = {"decision_id", "latency_ms", "stages_ms", "waited_ms"}


@pytest.fixture
def still(served: Served, project: Project, models: NoiseModels) -> Iterator[None]:
    """The world's clock stands, so that two decisions are of one time."""
    with project.client() as client:
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(anchor_world_us=now_us(), rate=0.0)))
    served.wait_health(
        lambda _: served.decide("ann")["as_of"] == served.decide("ann")["as_of"], "the clock does not stand"
    )
    yield
    with project.client() as client:
        client.delete(WORLD_CLOCK_KEY)
    served.wait_health(lambda _: served.decide("ann")["as_of"] != served.decide("ann")["as_of"], "the clock stands")


def some_turns(count: int) -> list[dict[str, Any]]:
    draw = random.Random(3)
    turns = []
    for _ in range(count):
        session = {"message": draw.choice(MESSAGES), "slots": draw.choice(SLOTS), "locale": draw.choice([None, "es"])}
        given = {name: value for name, value in session.items() if value is not None}
        turns.append({"customer_id": draw.choice(CUSTOMERS), "session_data": given})
    return turns


def ask(served: Served, turns: list[Any]) -> list[dict[str, Any]]:
    answer = served.http.post("/personalize/batch", json={"turns": turns})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    assert len(found) == len(turns)
    return found


def without(names: set[str], values: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in values.items() if name not in names})


def test_each_decision_is_what_it_would_have_been_alone_and_is_logged(
    served: Served, project: Project, still: None
) -> None:
    project.put_events("support_tickets", [("dora", now_us(), {"opened": True, "open_change": 1})])
    turns = some_turns(60)
    alone = [served.http.post("/personalize", json=turn).json() for turn in turns]
    together = [result["decision"] for result in ask(served, turns)]
    assert [without({"decision_id"}, one) for one in together] == [without({"decision_id"}, one) for one in alone]
    assert len({one["decision_id"] for one in together}) == len(turns)
    records = [logged(project, [one["decision_id"] for one in some]) for some in (alone, together)]
    first, second = ([without(OF_EACH_TIME, msgspec.to_builtins(record)) for record in some] for some in records)
    assert first == second
    assert {"ann", "ben", ""} <= {record.customer_id for record in records[1]}


def test_a_turn_that_is_refused_says_why_and_the_others_are_decided(served: Served, models: NoiseModels) -> None:
    wrong: list[Any] = [
        {"customer_id": ""},
        {"customer_id": "ann", "session_data": {"locale": "!"}},
        {"customer_id": "ann", "colour": 1},
        7,
        None,
        [],
    ]
    turns = [one for pair in zip(wrong, [{"customer_id": "ann"}] * len(wrong), strict=True) for one in pair]
    before = [served.metric(f'rapport_batch_turns_total{{result="{result}"}}') for result in ("decided", "refused")]
    results = ask(served, turns)
    for turn, result in zip(wrong, results[::2], strict=True):
        headers = {"Content-Type": "application/json"}
        assert result == served.http.post("/personalize", content=json.dumps(turn), headers=headers).json()
    assert all(result["decision"]["segment"] == "Champions" for result in results[1::2])
    after = [served.metric(f'rapport_batch_turns_total{{result="{result}"}}') for result in ("decided", "refused")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [len(wrong)] * 2


def test_a_turn_may_be_as_large_as_alone(served: Served) -> None:
    large = {"customer_id": "ann", "session_data": {"page": "x" * PERSONALIZE_LIMIT_BYTES}}
    (result,) = ask(served, [large])
    assert result == served.http.post("/personalize", json=large).json()
    assert result["error"]["reason"] == "too_large"


@pytest.mark.parametrize(
    ("body", "status", "reason", "field"),
    [
        ({"turns": []}, 400, "bad_value", "turns"),
        ({"turns": [{"customer_id": "a"}] * (MOST_TURNS + 1)}, 400, "bad_value", "turns"),
        ({"turns": {"customer_id": "a"}}, 400, "bad_value", "turns"),
        ({"turns": [1], "x": 1}, 400, "unknown_field", "x"),
        ({}, 400, "missing_field", "turns"),
        ({"turns": ["x" * BATCH_LIMIT_BYTES]}, 413, "too_large", ""),
    ],
    ids=["none", "too many", "no list", "unknown", "missing", "too large"],
)
def test_limits(served: Served, body: object, status: int, reason: str, field: str) -> None:
    answer = served.http.post("/personalize/batch", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["reason"], error["field"]) == (status, reason, field), error
    form = served.http.post("/personalize/batch", data={"turns": "1"})
    assert form.status_code == 415


def test_the_largest_batch_is_answered(served: Served, models: NoiseModels) -> None:
    results = ask(served, [{"customer_id": f"c{n}"} for n in range(MOST_TURNS)])
    assert {result["decision"]["rule"] for result in results} == {"nobody we know"}


def test_a_frozen_store_costs_a_batch_one_deadline_and_its_features(
    served: Served, project: Project, models: NoiseModels
) -> None:
    pid = project.redis.pid
    assert pid
    assert ask(served, [{"customer_id": "ann"}])[0]["decision"]["degraded"] == []
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.perf_counter()
        results = ask(served, [{"customer_id": "ann"}] * 20)
        # 250 ms here; the rest is for a machine that does much else
        assert time.perf_counter() - began < 2
    finally:
        os.kill(pid, signal.SIGCONT)
    assert all("features_unavailable" in result["decision"]["degraded"] for result in results)
    wait_for(
        lambda: ask(served, [{"customer_id": "ann"}])[0]["decision"]["degraded"] == [], "features are not used again"
    )


def test_a_batch_counts_as_its_turns(guarded: Guarded) -> None:
    key = guarded.key("slow", ["decide"], TENANT, rate_per_s=5.0)
    told = {"Authorization": f"Bearer {key}"}

    def ask(count: int) -> Any:
        turns = [{"customer_id": f"{TENANT}:{n}"} for n in range(count)]
        return guarded.main.post("/personalize/batch", json={"turns": turns}, headers=told)

    wait_for(lambda: ask(1).status_code == 200, "the key is not known")
    wait_for(lambda: ask(8).status_code == 200, "the rate is not full again")
    late = ask(8)
    assert (late.status_code, late.json()["error"]["reason"]) == (429, "rate_limited")
    assert int(late.headers["retry-after"]) >= 1
    wait_for(lambda: "than the 10 that" in ask(11).text, "more than can ever be sent is not refused for good")


def test_one_customer_of_another_tenant_is_enough_to_refuse_all(guarded: Guarded) -> None:
    told = {"Authorization": f"Bearer {guarded.token('decide', TENANT)}"}
    turns = [{"customer_id": f"{TENANT}:1"}, {"customer_id": "other:1"}]
    answer = guarded.main.post("/personalize/batch", json={"turns": turns}, headers=told)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (403, "wrong_tenant")
    assert answer.json()["error"]["field"] == "turns"
    assert guarded.main.post("/personalize/batch", json={"turns": turns[:1]}, headers=told).status_code == 200
