"""Events by the column: what comes out is what went in, and what is hostile is refused."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rapport.errors import EventError
from rapport.events.decode import decode
from rapport.events.schema import TOPICS
from rapport.intake.bodies import MAX_EVENTS
from rapport.intake.columns import pack_columns, parse_columns
from rapport.intake.refusal import Refusal

texts = st.text(max_size=8)
moments = st.one_of(
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.integers(0, 4_102_444_800_000).map(lambda ms: f"{ms // 1000}"),
    st.builds(
        lambda s, digits, fraction, zone: (
            f"2026-03-01T12:{s // 60:02d}:{s % 60:02d}" + (f".{fraction:06d}"[: digits + 1] if digits else "") + zone
        ),
        st.integers(0, 3_599),
        st.sampled_from([0, 3, 3, 3, 6]),
        st.integers(0, 999_999),
        st.sampled_from(["Z", "Z", "Z", "+00:00", "+02:00"]),
    ),
)
finite = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(texts, moments, st.none(), st.booleans(), st.integers(), finite, st.lists(texts))
events = st.dictionaries(
    st.sampled_from(["event_id", "customer_id", "event_time", "action", "a:b", 'q"', "é"]), values, max_size=6
)
many = st.lists(st.tuples(st.sampled_from(TOPICS), events), min_size=1, max_size=40)


def _by_topic(given: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    return {topic: [event for one, event in given if one == topic] for topic in TOPICS}


@given(many, st.lists(st.tuples(st.sampled_from(TOPICS), values), max_size=4))
def test_what_comes_out_is_what_went_in(good: list[tuple[str, Any]], plain: list[tuple[str, Any]]) -> None:
    body = pack_columns(
        [(topic, json.dumps(event).encode()) for topic, event in good],
        [(topic, json.dumps(event).encode()) for topic, event in plain],
    )
    found = [(topic, json.loads(event)) for topic, event in parse_columns(body)]
    cut = len(found) - len(plain)
    assert _by_topic(found[:cut]) == _by_topic(good)
    assert found[cut:] == plain


@given(st.lists(moments, min_size=1, max_size=10))
@example(["2026-02-30T12:00:00Z", "0000-01-01T00:00:00Z"])
@example(["2026-03-01T12:00:00Z\n", "2026-03-01T12:00:00Z"])
@example(["2026-03-01T24:00:00Z", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.998Z"])
def test_times_keep_their_text(times: list[str]) -> None:
    bodies = [json.dumps({"event_time": time}).encode() for time in times]
    found = parse_columns(pack_columns([("feedback", body) for body in bodies]))
    assert [json.loads(event)["event_time"] for _, event in found] == times


def test_texts_of_values_are_not_touched() -> None:
    raw = rb'{"price": 2.50, "page":"\u00e9\/", "quantity":  1e0, "product_id": "1", "product_id": "2"}'
    ((_, event),) = parse_columns(pack_columns([("customer_clicks", raw)]))
    assert event == rb'{"price":2.50,"page":"\u00e9\/","quantity":1e0,"product_id":"2"}'


@pytest.mark.parametrize(
    ("table", "status"),
    [
        ({"topic": "orders", "rows": 1, "columns": {}}, 400),
        ({"topic": "feedback", "rows": MAX_EVENTS + 1, "columns": {}}, 400),
        ({"topic": "feedback", "rows": 2, "columns": {"a": {"values": [1]}}}, 400),
        ({"topic": "feedback", "rows": 1, "columns": {"a": {"values": [1], "at": [1]}}}, 400),
        ({"topic": "feedback", "rows": 1, "columns": {"a": {"values": [1], "at": [-2]}}}, 400),
        ({"topic": "feedback", "rows": 1, "columns": {"a": {"digits": 7}}}, 400),
        ({"topic": "feedback", "rows": 1, "columns": {"a": {"digits": 0, "first": -1}}}, 400),
        ({"topic": "feedback", "rows": 1, "columns": {"a": {"digits": 0, "first": 253_402_300_800}}}, 400),
        ({"topic": "feedback", "rows": 1, "columns": {"a": {}}}, 400),
        # A little that would become much.
        ({"topic": "feedback", "rows": 5_000, "columns": {"a": {"values": ["x" * 900], "at": [0] * 5_000}}}, 413),
    ],
)
def test_hostile_bodies_are_refused(table: dict[str, Any], status: int) -> None:
    with pytest.raises(Refusal) as refused:
        parse_columns(json.dumps({"version": 1, "tables": [table]}).encode())
    assert refused.value.status == status


@given(st.recursive(values, lambda inner: st.dictionaries(texts, inner) | st.lists(inner), max_leaves=8))
def test_whatever_is_sent_is_parsed_or_refused(value: Any) -> None:
    for body in (value, {"version": 1, "tables": [value]}, {"version": 1, "plain": value}):
        try:
            for topic, event in parse_columns(json.dumps(body).encode()):
                msgspec.json.decode(event)
                with contextlib.suppress(EventError):
                    decode(topic, event)
        except Refusal as refusal:
            assert refusal.status in (400, 413)
