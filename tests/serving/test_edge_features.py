"""With the edge in between, features are what they are without it: the real service, the real flows, the oracle."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flowing import features_of, run_features, run_ingest
from serving_world import now_us

from rapport.events.decode import decode
from rapport.events.derive import derive
from rapport.feast.catalog import plans_by_topic
from rapport.intake.columns import COLUMNS, pack_columns
from rapport.testing.edge import Edge
from rapport.testing.oracle import oracle
from rapport.testing.project import Project
from rapport.testing.served import Served

Given = tuple[str, dict[str, Any]]
PEOPLE = 5


def history(draw: random.Random, count: int) -> list[Given]:
    """Events of a few customers, out of order, some of them twice."""
    now = datetime.now(UTC)
    found: list[Given] = []
    for number in range(count):
        age = timedelta(microseconds=draw.choice([10**7, 10**9, 10**10, 10**12]) * draw.random())
        at = (now - age).isoformat(timespec=draw.choice(["seconds", "milliseconds", "microseconds"]))
        who = {"event_id": f"e{number}", "customer_id": f"{draw.randrange(PEOPLE)}", "event_time": at}
        paid = {"order_id": "o", "amount": "9.99", "currency": "EUR"}
        money = {"price": draw.choice(["2.50", 2.5, "0.1"]), "currency": "EUR", "quantity": draw.randint(1, 3)}
        found.append(
            draw.choice(
                [
                    ("customer_clicks", {**who, "action": "view", "product_id": f"p{draw.randrange(4)}", "page": "/é"}),
                    ("customer_clicks", {**who, "action": "cart_add", "product_id": f"p{draw.randrange(4)}", **money}),
                    ("customer_clicks", {**who, "action": "checkout", "session_id": None}),
                    (
                        "purchase_events",
                        {**who, "action": "order", **paid},
                    ),
                    ("feedback", {**who, "csat": draw.randint(1, 5)}),
                    ("chat_messages", {**who, "role": "customer", "conversation_id": "c", "text": "It does not work!"}),
                    ("support_tickets", {**who, "action": "opened", "ticket_id": "t", "priority": "urgent"}),
                ]
            )
        )
    return [*found, *draw.sample(found, count // 20)]


def renamed(events: list[Given], way: str) -> list[Given]:
    """The same events of other customers, under other ids."""
    return [
        (topic, {**event, "event_id": way + event["event_id"], "customer_id": way + event["customer_id"]})
        for topic, event in events
    ]


def lines(events: list[Given]) -> bytes:
    return b"\n".join(json.dumps({"topic": topic, "event": event}).encode() for topic, event in events)


def test_features_are_the_same_and_the_oracles(served: Served, project: Project, tmp_path: Path) -> None:
    run_ingest(project)
    draw = random.Random(11)
    events = history(draw, 600)
    headers = {"Content-Type": "application/x-ndjson"}
    assert served.http.post("/events", content=lines(renamed(events, "direct-")), headers=headers).status_code == 202
    behind = renamed(events, "edge-")
    for part in (behind[:300], behind[300:]):
        with Edge(tmp_path / "edge", served.url) as edge:
            for at in range(0, len(part), 50):
                assert edge.http.post("/events", content=lines(part[at : at + 50]), headers=headers).status_code == 202
            edge.kill()
    with Edge(tmp_path / "edge", served.url) as edge:
        edge.wait_empty()
    counts = run_ingest(project)
    twice = len(events) - 600
    assert counts.pop("dead:duplicate") == 2 * twice and sum(counts.values()) == 2 * 600
    run_features(project)
    as_of_us = now_us()
    _compare(project, events, as_of_us)


def _compare(project: Project, events: list[Given], as_of_us: int) -> None:
    rows = [
        (topic, derive(topic, [decode(topic, json.dumps(event).encode())], [as_of_us]).rows.to_pylist()[0])
        for topic, event in events
    ]
    plans = plans_by_topic(project.store())
    seen = 0
    for who in map(str, range(PEOPLE)):
        direct, edge = (features_of(project, way + who, as_of_us) for way in ("direct-", "edge-"))
        assert direct == edge
        for topic, of_topic in plans.items():
            own = [row for one, row in rows if one == topic and row["customer_id"] == who]
            mine = [(row["event_id"], row["event_time_us"], row) for row in own]
            for plan in of_topic:
                _, expected = oracle(plan.view, mine, as_of_us)
                wanted = {f"{plan.view.name}__{name}": value for name, value in expected.items()}
                shared = wanted.keys() & edge.keys()
                assert {name: edge[name] for name in shared} == {name: wanted[name] for name in shared}
                seen += len(shared)
    assert seen > PEOPLE * 20


def test_a_numbered_batch_counts_once_at_the_service(served: Served, project: Project) -> None:
    run_ingest(project)
    at = datetime.now(UTC).isoformat()
    events = [
        ("feedback", json.dumps({"event_id": f"n{i}", "customer_id": "n", "event_time": at, "csat": 4}).encode())
        for i in range(20)
    ]
    body = gzip.compress(pack_columns(events, [("feedback", b'"no event"')]))
    headers = {
        "Content-Type": COLUMNS,
        "Content-Encoding": "gzip",
        "Rapport-Sender": "ab" * 16,
        "Rapport-Batch": "5",
    }
    repeated = 'rapport_events_total{result="repeated",topic="feedback"}'
    before = served.metric(repeated)
    for _ in range(3):
        answer = served.http.post("/events", content=body, headers=headers)
        assert answer.status_code == 202 and (answer.json()["accepted"], answer.json()["refused"]) == (20, 1)
    assert run_ingest(project) == {"accepted:feedback": 20, "dead:bad_value": 1}
    assert served.metric(repeated) - before == 42
    older = served.http.post("/events", content=body, headers={**headers, "Rapport-Batch": "4"})
    assert older.status_code == 409 and older.json()["error"]["reason"] == "number_used"
    wrong = served.http.post("/events", content=body, headers={**headers, "Rapport-Sender": "me"})
    assert wrong.status_code == 400 and wrong.json()["error"]["field"] == "Rapport-Sender"
