"""The message of this turn counts at once: by ingest's own functions, joined to what was streamed before."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_world import MINUTE_US, declared, now_us

from rapport.clock import from_us
from rapport.decisions import Signals
from rapport.decisions.signals import SAME_MESSAGE_S, asked_before, join_signals
from rapport.events.derive import derive
from rapport.events.frustration import in_conversation
from rapport.events.schema import ChatMessage
from rapport.events.text import analyse
from rapport.online import reader_for
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served

ANGRY = "THIS IS RIDICULOUS!!! I have been waiting for weeks, nobody helps, worst service ever, fuck this!"


def row_of(text: str) -> dict[str, Any]:
    """The columns of the conversation that ingest derives from a customer's message."""
    event = ChatMessage(
        event_id="e",
        customer_id="c",
        event_time=datetime(2026, 1, 1, tzinfo=UTC),
        role="customer",
        conversation_id="c1",
        text=text,
    )
    (row,) = derive("chat_messages", [event], [2_000_000_000_000_000]).rows.to_pylist()
    return {name: row[name] for name in ("message", "sentiment", "negative", "frustration", "query")}


@given(st.text(min_size=1, max_size=200))
def test_a_message_has_the_signals_that_ingest_derives(text: str) -> None:
    row, signals = row_of(text), analyse(text)
    assert asked_before(signals) == ("conversation", {"query": row["query"]})
    joined = join_signals(signals, None, {}, None, None)
    own = row["frustration"]
    assert (joined.sentiment, joined.frustration) == (round(row["sentiment"], 4), max(own, in_conversation(own, None)))
    after = join_signals(signals, None, {"conversation__frustration_mean_1h": 0.9}, None, None)
    assert after.frustration == max(own, in_conversation(own, 0.9))
    assert (joined.label == "negative") == row["negative"]


def test_a_frustrated_customer_gets_a_different_path_at_that_very_turn(served: Served, models: NoiseModels) -> None:
    calm = served.decide("ben", message="Is the lamp available in blue?")
    angry = served.decide("ben", message=ANGRY)
    after = served.decide("ben", message="Is the lamp available in blue?")
    assert calm["rule"] == after["rule"] != angry["rule"]
    assert angry["sentiment"]["label"] == "negative"
    assert angry["tone"] in ("apologetic", "empathetic")
    assert calm["tone"] not in ("apologetic", "empathetic")


def test_intents_lead_to_templates_that_ask_for_what_they_need(served: Served, models: NoiseModels) -> None:
    asked = served.decide("ben", message="Where is my parcel?", locale="de-AT")
    assert (asked["intent"], asked["rule"]) == ("track_order", "where is the order")
    assert asked["template"] == {"locale": "de", "text": None}
    (ask,) = asked["ask"]
    assert (ask["name"], ask["type"]) == ("order_number", "text") and "Bestellnummer" in ask["question"]
    told = ask_with(served, "ben", "Where is my parcel?", {"order_number": "A-17", "color": None})
    assert told["ask"] == [] and "A-17" in told["template"]["text"]
    assert told["next_action"] == {"id": "look_up_order", "values": {}}


def ask_with(served: Served, customer: str, message: str, slots: dict[str, Any]) -> dict[str, Any]:
    body = {"customer_id": customer, "session_data": {"message": message, "slots": slots}}
    response = served.http.post("/personalize", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json())


@pytest.mark.parametrize(
    ("slots", "field"),
    [
        ({"a b": 1}, "slots"),
        ({"a": [1]}, "slots"),
        ({"a": {"amount": "1", "currency": "eur"}}, "currency"),
        ({"a": {"amount": "1"}}, "slots"),
        ({f"n{at}": at for at in range(65)}, "slots"),
        ({"a": "x" * 257}, "slots"),
    ],
)
def test_slots_are_closed(served: Served, slots: dict[str, Any], field: str) -> None:
    body = {"customer_id": "ben", "session_data": {"slots": slots}}
    response = served.http.post("/personalize", json=body)
    assert response.status_code == 400
    assert field in response.json()["error"]["field"]


def test_a_question_that_is_asked_again_is_a_repeat_at_once(
    served: Served, project: Project, models: NoiseModels
) -> None:
    question = "Can I pay with a gift card?"
    first = served.decide("eve", message=question)
    project.put_events("chat_messages", [("eve", now_us() - MINUTE_US, row_of(question))])
    again = served.decide("eve", message=f"  {question.upper()} ")
    other = served.decide("eve", message="Do you ship to Norway?")
    assert again["rule"] == "asked twice"
    assert first["rule"] != "asked twice" != other["rule"]


def test_a_message_that_was_streamed_before_the_call_is_not_its_own_repeat(
    served: Served, project: Project, models: NoiseModels
) -> None:
    question, sent_us = "Which plug does it have?", now_us()
    project.put_events("chat_messages", [("fay", sent_us, row_of(question))])
    at_once = served.decide("fay", message=question)
    told = served.decide("fay", message=question, message_time=from_us(sent_us).isoformat())
    assert at_once["rule"] != "asked twice" != told["rule"]


@given(
    queries=st.none() | st.integers(0, 5),
    repeats=st.integers(0, 3),
    new=st.booleans(),
    newest=st.none() | st.floats(0, 100),
    since=st.none() | st.floats(0, 100),
)
def test_signals_join_as_defined(
    queries: int | None, repeats: int, new: bool, newest: float | None, since: float | None
) -> None:
    distinct = None if queries is None else max(0, queries - repeats)
    streamed = {
        "conversation__queries_10m": None if queries is None else float(queries),
        "conversation__distinct_queries_10m": None if distinct is None else float(distinct),
        "conversation__since_message_s": newest,
    }
    counts = (queries or 0) + 1, (distinct or 0) + new
    imagined = {
        "conversation__queries_10m": float(counts[0]),
        "conversation__distinct_queries_10m": float(counts[1]),
    }
    before = (queries or 0) - (distinct or 0)
    there = newest is not None and (newest <= since if since is not None else not new and newest < SAME_MESSAGE_S)
    found = join_signals(analyse("Hello"), "greeting", streamed, imagined, since)
    expected = (before > 0, before) if there else (not new, before + (not new))
    assert (found.repeat, found.repeats, found.intent) == (*expected, "greeting")
    blind = join_signals(analyse("Hello"), None, {}, None, None)
    assert isinstance(blind, Signals) and (blind.repeat, blind.repeats) == (False, 0)


def test_an_imagined_event_gives_what_the_stream_gives(project: Project) -> None:
    """Features with the message counted in memory equal those read after it has been streamed; nothing is written."""
    declared()
    reader = reader_for(project.settings, "personalization")
    columns = row_of("Where is it?")

    async def imagined(customer: str, as_of_us: int) -> Any:
        return (await reader.read_one(customer, as_of_us)).imagine("conversation", columns)

    async def run() -> None:
        for customer, past in (("gus", []), ("hal", [("hal", now_us() - MINUTE_US, columns)])):
            project.put_events("chat_messages", past)
            at = now_us()
            found = await imagined(customer, at)
            assert found == await imagined(customer, at)
            project.put_events("chat_messages", [(customer, at, columns)])
            streamed = reader.read([customer], at).row(0)
            assert found and {name: streamed[name] for name in found} == found
        await reader.close_async()

    asyncio.run(run())
    reader.close()
