"""Events over HTTP: packed or not, once each, and told to come back later when the bus is behind or full."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from flowing import features_of, run_features, run_ingest
from serving_world import DAY_US, now_us

from bentos.pressure import Behind, Pressure
from rapport.bus import Message, open_bus
from rapport.dead_letters import DEAD_LETTERS, DeadLetter, list_letters
from rapport.errors import BusUnavailable
from rapport.testing.bus import MemoryBus
from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for

GZIP = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
LIMIT = 4 * 1024 * 1024


def order(event_id: str, customer_id: str, **changes: Any) -> dict[str, Any]:
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    money = {"amount": "12.50", "currency": "EUR"}
    event = {
        "event_id": event_id,
        "customer_id": customer_id,
        "event_time": at,
        "action": "order",
        "order_id": event_id,
    }
    return {**event, **money, **changes}


def bodied(events: Any, topic: str = "purchase_events") -> bytes:
    return json.dumps({"topic": topic, "events": events}).encode()


def refused(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["error"]["reason"])


def test_packed_bodies(served: Served) -> None:
    events = [order(f"gz{i}", f"gz{i}") for i in range(50)]
    packed = gzip.compress(bodied(events))
    assert len(packed) < len(bodied(events)) / 5
    answer = served.http.post("/events", content=packed, headers=GZIP)
    assert answer.status_code == 202 and answer.json()["accepted"] == 50
    lines = b"\n".join(json.dumps({"topic": "purchase_events", "event": event}).encode() for event in events)
    ndjson = {**GZIP, "Content-Type": "application/x-ndjson"}
    half = len(lines) // 2
    members = gzip.compress(lines[:half]) + gzip.compress(b"") + gzip.compress(lines[half:])
    assert served.http.post("/events", content=members, headers=ndjson).json()["accepted"] == 50

    def in_small_parts() -> Iterator[bytes]:
        for at in range(0, len(packed), 7):
            yield packed[at : at + 7]

    assert served.http.post("/events", content=in_small_parts(), headers=GZIP).json()["accepted"] == 50


def test_a_body_that_unpacks_to_too_much_is_refused(served: Served) -> None:
    bomb = gzip.compress(b" " * (128 * 1024 * 1024), 9)
    assert len(bomb) < LIMIT
    assert refused(served.http.post("/events", content=bomb, headers=GZIP), 413) == "too_large"
    nested = gzip.compress(gzip.compress(bodied([])))
    assert refused(served.http.post("/events", content=nested, headers=GZIP), 400) == "bad_json"
    just_fits = bodied(order("fits", "gz")).ljust(LIMIT)
    assert served.http.post("/events", content=gzip.compress(just_fits), headers=GZIP).status_code == 202
    assert (
        refused(served.http.post("/events", content=gzip.compress(just_fits + b" "), headers=GZIP), 413) == "too_large"
    )
    many = gzip.compress(b"") * 200
    assert refused(served.http.post("/events", content=many, headers=GZIP), 400) == "bad_gzip"


def test_an_event_that_is_too_large_to_be_kept_is_refused_and_one_that_is_too_large_is_kept(served: Served) -> None:
    large = [order("fine", "c"), order("large", "c", order_id="o" * 70_000)]
    answer = served.http.post("/events", content=bodied(large), headers={"Content-Type": "application/json"}).json()
    assert [result.get("reason") for result in answer["results"]] == [None, "too_large"]
    huge = bodied([order("fine", "c"), order("huge", "c", order_id="o" * 524_288)])
    refusal = served.http.post("/events", content=huge, headers={"Content-Type": "application/json"})
    assert refused(refusal, 413) == "too_large" and "event 1 has" in refusal.json()["error"]["detail"]


def test_damaged_and_other_packing(served: Served) -> None:
    packed = gzip.compress(bodied([order("e", "c")]))
    for body in (packed[:-4], packed[:20], b"", bodied([]), packed[:30] + b"\x00" * 9 + packed[39:], packed + b"more"):
        assert refused(served.http.post("/events", content=body, headers=GZIP), 400) == "bad_gzip"
    for encoding, body in (("deflate", zlib.compress(bodied([]))), ("br", b"x"), ("gzip, gzip", packed)):
        answer = served.http.post("/events", content=body, headers={**GZIP, "Content-Encoding": encoding})
        assert refused(answer, 415) == "bad_encoding" and answer.headers["accept-encoding"] == "gzip"
    for path in ("/personalize", "/feedback"):
        assert refused(served.http.post(path, content=packed, headers=GZIP), 415) == "bad_encoding"
    assert served.http.post("/events", content=packed, headers={**GZIP, "Content-Encoding": "GZIP"}).status_code == 202


def test_an_event_that_is_sent_again_counts_once(served: Served, project: Project) -> None:
    run_ingest(project)
    events = [order(f"once{i}", "once", amount="10.00") for i in range(3)]
    sent = [served.http.post("/events", json={"topic": "purchase_events", "events": events}) for _ in range(2)]
    sent.append(served.http.post("/events", json={"topic": "purchase_events", "events": events[:2] * 2}))
    assert [answer.status_code for answer in sent] == [202, 202, 202]
    assert sum(answer.json()["accepted"] for answer in sent) == 10
    assert run_ingest(project) == {"accepted:purchase_events": 3, "dead:duplicate": 7}
    # Again, from a producer that has heard nothing, after ingest has seen the first.
    assert served.http.post("/events", json={"topic": "purchase_events", "events": events}).status_code == 202
    assert run_ingest(project) == {"dead:duplicate": 3}
    run_features(project)
    found = features_of(project, "once", now_us())
    spent = [value for name, value in found.items() if value == 30_000_000]
    assert spent and [value for name, value in found.items() if value == 3], found


@pytest.fixture(scope="module")
def pressed(project: Project) -> Iterator[Served]:
    """A service that takes little: 1,000 records a partition, 400 that wait, letters of a day; and letters older."""
    bus = open_bus(project.settings)
    for number, age_us in enumerate((3 * DAY_US, 2 * DAY_US, 0)):
        letter = DeadLetter(
            topic="feedback",
            partition=0,
            position=(1, number),
            key=f"aged{number}",
            origin="",
            reason="bad_json",
            field="",
            detail="",
            arrival_us=now_us() - age_us,
            value=b64encode(b"{").decode(),
        )
        bus.publish([Message(DEAD_LETTERS, letter.key, msgspec.json.encode(letter))])
    served = Served(
        project,
        {
            "RAPPORT_BUS_MAX_LENGTH": "1000",
            "RAPPORT_INTAKE_MAX_LAG": "400",
            "RAPPORT_DEADLETTERS_DAYS": "1",
            "RAPPORT_DEADLINE_MS": "250",
        },
    )
    served.wait_ready()
    yield served
    served.stop()


def give(served: Served, prefix: str, count: int) -> httpx.Response:
    text = {"event_time": "2026-01-01T00:00:00Z", "role": "agent", "conversation_id": "c", "text": "yes"}
    events = [{"event_id": f"{prefix}{i}", "customer_id": "pressed", **text} for i in range(count)]
    return served.http.post("/events", json={"topic": "chat_messages", "events": events})


def test_old_letters_are_forgotten(pressed: Served, project: Project) -> None:
    bus = open_bus(project.settings)

    def aged() -> list[str]:
        return [one.letter.key for one in list_letters(bus, limit=10_000) if one.letter.key.startswith("aged")]

    wait_for(lambda: aged() == ["aged2"], "letters of two and three days ago are still there", 10)


def test_behind_producers_come_back_later(pressed: Served, project: Project) -> None:
    run_ingest(project)
    wait_for(lambda: pressed.metric("rapport_intake_lag") == 0, "what was read is not seen")
    assert give(pressed, "a", 300).status_code == 202
    assert give(pressed, "b", 101).status_code == 202
    late = give(pressed, "c", 10)
    assert refused(late, 429) == "bus_behind" and "401" in late.json()["error"]["detail"]
    assert 1 <= int(late.headers["retry-after"]) <= 60
    # Other topics are not kept waiting for this one.
    assert pressed.http.post("/feedback", json={"customer_id": "pressed", "csat": 5}).status_code == 202
    assert pressed.metric("rapport_intake_lag") >= 401
    # None of what was refused is there; all of what was taken is.
    assert run_ingest(project) == {"accepted:chat_messages": 401, "accepted:feedback": 1}
    wait_for(lambda: give(pressed, "c", 10).status_code == 202, "what was read is not seen")


def test_full_producers_come_back_later(pressed: Served, project: Project) -> None:
    run_ingest(project)
    # Other tests' messages may have filled the topic already.
    bus = open_bus(project.settings)
    bus.trim("chat_messages", 0, bus.position("ingest", "chat_messages", 0))
    taken = 0
    for turn in range(40):
        time.sleep(0.3)
        answer = give(pressed, f"full{turn}-", 350)
        if answer.status_code == 429 and answer.json()["error"]["reason"] == "bus_behind":
            # what was read is not seen yet
            continue
        if answer.status_code == 429:
            break
        assert answer.status_code == 202
        taken += answer.json()["accepted"]
        assert run_ingest(project) == {"accepted:chat_messages": 350}
    assert refused(answer, 429) == "bus_full" and 1 <= int(answer.headers["retry-after"]) <= 60
    assert run_ingest(project) == {} and taken
    bus.trim("chat_messages", 0, bus.position("ingest", "chat_messages", 0))
    assert give(pressed, "after", 350).status_code == 202
    run_ingest(project)


class Lagging:
    """Time, and a bus whose ingest has read as far as it is told."""

    def __init__(self, max_lag: int) -> None:
        self.now_s = 0.0
        self.bus = MemoryBus()
        self.looks = 0
        self.away = False
        self.pressure = Pressure(self._looked_at, max_lag, lambda: self.now_s)

    def _looked_at(self) -> MemoryBus:
        self.looks += 1
        if self.away:
            raise BusUnavailable("it does not answer")
        return self.bus

    def grow(self, count: int) -> None:
        self.bus.publish([Message("feedback", "c", b"x")] * count)

    def ingest(self, count: int) -> None:
        at = self.bus.position("ingest", "feedback", 0)
        batch = self.bus.reader("feedback", 0, at).poll(count)
        assert batch is not None
        self.bus.commit("ingest", "feedback", 0, expected=at, position=batch.positions[-1])


def test_retry_after_is_when_the_lag_will_have_shrunk() -> None:
    world = Lagging(max_lag=1_000)
    world.grow(5_000)
    with pytest.raises(Behind):
        world.pressure.admit({"feedback": 1})
    assert world.pressure.retry_after_s() == 2  # nothing is known yet
    for _ in range(4):
        world.now_s += 1
        world.ingest(200)
        with pytest.raises(Behind):
            world.pressure.admit({"feedback": 1})
    # 4,200 wait, 900 are aimed at, 200 a second go.
    assert world.pressure.retry_after_s() == 17
    world.now_s += 1
    world.ingest(3_200)
    world.pressure.admit({"feedback": 300})
    world.grow(300)
    assert world.pressure.lag == 1_300
    with pytest.raises(Behind):
        world.pressure.admit({"feedback": 1})
    looks = world.looks
    for _ in range(50):
        world.now_s += 0.01
        with pytest.raises(Behind):
            world.pressure.admit({"feedback": 1})
    assert world.looks - looks in (1, 2)


def test_retry_after_knows_what_ingest_did_while_more_came() -> None:
    world = Lagging(max_lag=1_000)
    world.grow(1_000)
    for _ in range(10):
        # As much comes as goes: the lag alone would say that nothing is done.
        world.pressure.admit({"feedback": 100})
        world.grow(100)
        world.ingest(100)
        world.now_s += 1
    world.pressure.admit({"feedback": 200})
    world.grow(200)
    with pytest.raises(Behind, match="1,200 events of feedback") as refusal:
        world.pressure.admit({"feedback": 1, "purchase_events": 1})
    assert refusal.value.after_s == 3  # 300 too many, 100 a second
    world.pressure.admit({"purchase_events": 5_000, "dead_letters": 1})
    assert world.pressure.retry_after_s() == 2  # of the topic that is furthest behind, nothing is known


def test_what_is_refused_is_known_before_it_is_checked() -> None:
    world = Lagging(max_lag=100)
    world.pressure.foresee({"feedback": 1})
    assert world.looks == 0
    world.grow(101)
    with pytest.raises(Behind):
        world.pressure.admit({"feedback": 1})
    with pytest.raises(Behind):
        world.pressure.foresee({"feedback": 1})
    world.pressure.foresee({"purchase_events": 1})
    # What was seen a while ago says nothing any more.
    world.now_s += 1
    world.pressure.foresee({"feedback": 1})
    assert world.looks == 1


def test_a_bus_that_does_not_answer_is_not_asked_by_everybody() -> None:
    world = Lagging(max_lag=100)
    world.away = True
    for turn in range(30):
        world.now_s = turn * 0.05
        with pytest.raises(BusUnavailable):
            world.pressure.admit({"feedback": 1})
    assert world.looks == 6
    world.away, world.now_s = False, 1.75
    world.pressure.admit({"feedback": 1})


def test_a_lag_that_does_not_shrink_is_left_alone_for_a_while() -> None:
    world = Lagging(max_lag=100)
    world.grow(5_000)
    said = []
    for _ in range(7):
        world.now_s += 1
        with pytest.raises(Behind) as refusal:
            world.pressure.admit({"feedback": 1})
        said.append(refusal.value.after_s)
    # A turn of ingest may take seconds.
    assert said == [2, 2, 2, 2, 2, 30, 30]
    world.ingest(1)
    world.now_s += 1
    with pytest.raises(Behind):
        world.pressure.admit({"feedback": 1})
    assert world.pressure.retry_after_s() == 60  # never longer
