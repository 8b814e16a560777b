"""Decoding is strict: what is accepted, and for each refusal its reason, field and words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import COMMON, GOOD, raw, row_of

from rapport.errors import EventError
from rapport.events.block import read_blocks
from rapport.events.columns import BASE, COLUMNS
from rapport.events.decode import MAX_EVENT_BYTES, decode, decode_many
from rapport.events.schema import EVENT_TYPES, TOPICS, Event, PurchaseEvent
from rapport.testing.blocks import block_message

REASONS = {
    "bad_json",
    "missing_field",
    "unknown_field",
    "bad_value",
    "future_event",
    "no_customer",
    "too_large",
    "unknown_topic",
    "unknown_schema",
}


@pytest.mark.parametrize("topic", TOPICS)
def test_good_events_are_accepted(topic: str) -> None:
    event = decode(topic, raw(topic))
    assert isinstance(event, EVENT_TYPES[topic])
    assert event.event_time == datetime(2025, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def refused(topic: str, value: bytes) -> EventError:
    with pytest.raises(EventError) as caught:
        decode(topic, value)
    assert caught.value.reason in REASONS and caught.value.detail
    return caught.value


CLICK, ORDER, CHAT, FEEDBACK = "customer_clicks", "purchase_events", "chat_messages", "feedback"


@pytest.mark.parametrize(
    ("topic", "changes", "reason", "field", "words"),
    [
        (CLICK, {"action": "look"}, "bad_value", "action", '"look" is refused; allowed: one of cart_add, cart_remove'),
        (CLICK, {"action": 3}, "bad_value", "action", "3 is refused"),
        (CLICK, {"colour": "red"}, "unknown_field", "colour", "it has event_id"),
        (CLICK, {"quantity": 0}, "bad_value", "quantity", "0 is refused; allowed: integer 1 to 1,000,000"),
        (CLICK, {"quantity": 1.5}, "bad_value", "quantity", "1.5 is refused"),
        (CLICK, {"quantity": True}, "bad_value", "quantity", "true is refused"),
        (CLICK, {"quantity": 10**30}, "bad_value", "quantity", "refused"),
        (CLICK, {"product_id": "a\nb"}, "bad_value", "product_id", "no control characters"),
        (CLICK, {"product_id": "ab\x7f"}, "bad_value", "product_id", "no control characters"),
        (CLICK, {"session_id": "\x00"}, "bad_value", "session_id", "no control characters"),
        (CLICK, {"product_id": "ab\n"}, "bad_value", "product_id", "no control characters"),
        (CLICK, {"product_id": ""}, "bad_value", "product_id", "1 to 128"),
        (CLICK, {"product_id": "x" * 129}, "bad_value", "product_id", "…"),
        (CLICK, {"currency": "eur"}, "bad_value", "currency", "three capital letters"),
        (CLICK, {"currency": "EU1"}, "bad_value", "currency", "three capital letters"),
        (ORDER, {"currency": "ÄÖÜ"}, "bad_value", "currency", "three capital letters"),
        (CLICK, {"currency": "EUR\n"}, "bad_value", "currency", "three capital letters"),
        (CLICK, {"currency": None}, "missing_field", "currency", "price is given without"),
        (CLICK, {"price": None}, "missing_field", "price", "without a price"),
        (CLICK, {"price": "NaN"}, "bad_value", "price", "not a finite number"),
        (CLICK, {"price": "-Infinity"}, "bad_value", "price", "not a finite number"),
        (CLICK, {"price": "sNaN"}, "bad_value", "price", "not a finite number"),
        (CLICK, {"price": "abc"}, "bad_value", "price", '"abc" is refused; allowed: decimal'),
        (CLICK, {"price": "9000000000000", "quantity": 2}, "bad_value", "price", "too large an amount"),
        (ORDER, {"amount": -1}, "bad_value", "amount", "negative"),
        (ORDER, {"amount": "0.0000001"}, "bad_value", "amount", "more than 6 decimals"),
        (ORDER, {"amount": 0.1 + 0.2}, "bad_value", "amount", "more than 6 decimals"),
        (ORDER, {"amount": "9223372036854.775808"}, "bad_value", "amount", "too large"),
        (ORDER, {"amount": "1e400"}, "bad_value", "amount", "too large"),
        (ORDER, {"amount": "1" * 60_000}, "bad_value", "amount", "too large"),
        (ORDER, {"amount": "1e-999999999"}, "bad_value", "amount", "more than 6 decimals"),
        (ORDER, {"amount": None}, "bad_value", "amount", "null is refused"),
        (ORDER, {"schema_version": 2}, "bad_value", "schema_version", "2 is refused; allowed: 1"),
        (ORDER, {"event_time": "2025-03-01T12:00:00"}, "bad_value", "event_time", "with an offset"),
        (ORDER, {"event_time": "yesterday"}, "bad_value", "event_time", "RFC 3339"),
        (ORDER, {"event_time": 1_700_000_000}, "bad_value", "event_time", "RFC 3339"),
        (ORDER, {"event_time": "1969-12-31T23:59:59Z"}, "bad_value", "event_time", "before 1970"),
        (ORDER, {"event_time": "0001-01-01T00:00:00+14:00"}, "bad_value", "event_time", "before 1970"),
        (ORDER, {"customer_id": None}, "no_customer", "customer_id", "no customer"),
        (ORDER, {"customer_id": ""}, "no_customer", "customer_id", "no customer"),
        (ORDER, {"customer_id": 17850}, "bad_value", "customer_id", "17850 is refused"),
        (CHAT, {"text": ""}, "bad_value", "text", "1 to 4,000"),
        (CHAT, {"text": "x" * 4_001}, "bad_value", "text", "1 to 4,000"),
        (CHAT, {"text": ["x"]}, "bad_value", "text", '["x"] is refused'),
        (FEEDBACK, {"csat": 6}, "bad_value", "csat", "integer 1 to 5 or null"),
        (FEEDBACK, {"nps": -1}, "bad_value", "nps", "integer 0 to 10"),
        (FEEDBACK, {"resolved": "yes"}, "bad_value", "resolved", "true or false or null"),
        (FEEDBACK, {"resolution_time_s": -0.1}, "bad_value", "resolution_time_s", "number 0 to 31,536,000"),
        (FEEDBACK, {"csat": None, "resolved": None, "resolution_time_s": None}, "missing_field", "", "csat, nps"),
    ],
)  # fmt: skip
def test_refused_values(topic: str, changes: dict[str, Any], reason: str, field: str, words: str) -> None:
    error = refused(topic, raw(topic, **changes))
    assert (error.reason, error.field) == (reason, field)
    assert words in error.detail and len(error.detail) < 300


@pytest.mark.parametrize(
    ("value", "reason", "words"),
    [
        (b"", "bad_json", "truncated"),
        (b"{", "bad_json", "truncated"),
        (b"nonsense", "bad_json", "malformed"),
        (b'{"event_id":NaN}', "bad_json", "malformed"),
        (b"[]", "bad_value", "JSON object"),
        (b"null", "bad_value", "JSON object"),
        (b'"x"', "bad_value", "JSON object"),
        (b'{"event_id":"\xff"}', "bad_json", "UTF-8"),
        (b'{"\xff":1}', "bad_json", "UTF-8"),
        (b'{"event_id":"\\ud800"}', "bad_json", ""),
        (b"\xef\xbb\xbf{}", "bad_json", "malformed"),
        (b"\x00" * 50, "unknown_schema", "set RAPPORT_REGISTRY_URL"),
        (b"{}", "missing_field", "allowed: text of 1 to 128"),
        (b'{"x":' + b"[" * 60_000, "unknown_field", "no such field"),
        (b'{"text":' + b"[" * 60_000, "bad_value", "refused"),
        (b'{"text":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001, "bad_value", "refused"),
        (b" " * (MAX_EVENT_BYTES + 1), "too_large", "65,536"),
    ],
)
def test_refused_bytes(value: bytes, reason: str, words: str) -> None:
    error = refused(CHAT, value)
    assert error.reason == reason and words in error.detail and len(error.detail) < 300


@pytest.mark.parametrize("field", ["event_id", "event_time", "action", "order_id", "amount", "currency"])
def test_missing_fields(field: str) -> None:
    error = refused(ORDER, raw(ORDER, field))
    assert (error.reason, error.field) == ("missing_field", field) and "allowed:" in error.detail


def test_no_customer_and_unknown_topic() -> None:
    assert refused(ORDER, raw(ORDER, "customer_id")).reason == "no_customer"
    assert refused("orders", raw(ORDER)).reason == "unknown_topic"


@given(st.integers(0, 2**63 - 1), st.booleans())
def test_money_is_exact(micros: int, as_number: bool) -> None:
    text = f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
    value = raw(ORDER).replace(b"10.25", text.encode() if as_number else f'"{text}"'.encode())
    event = decode(ORDER, value)
    assert isinstance(event, PurchaseEvent) and event.amount == Decimal(text)
    assert row_of(ORDER, event, 2**60)["amount_micros"] == micros


def test_texts_that_are_not_printable_are_no_control_characters() -> None:
    event = decode(CLICK, raw(CLICK, product_id="a\u00a0\u2028b", session_id='say "so" \\'))
    assert event.product_id == "a\u00a0\u2028b" and event.session_id == 'say "so" \\'  # type: ignore[attr-defined]


@given(st.sampled_from(TOPICS), st.lists(st.sampled_from(["good", "cut", "other", "long"]), max_size=8))
def test_many_are_as_one_by_one(topic: str, kinds: list[str]) -> None:
    good = raw(topic)
    of = {"good": good, "cut": good[:-1], "other": b'{"a":1} {"b":2}', "long": b" " * (MAX_EVENT_BYTES + 1)}
    values = [of[kind] for kind in kinds]
    for value, result in zip(values, decode_many(topic, values), strict=True):
        if isinstance(result, EventError):
            with pytest.raises(EventError) as caught:
                decode(topic, value)
            assert str(caught.value) == str(result) and caught.value.reason == result.reason
        else:
            assert result == decode(topic, value)


AMOUNTS = ["0", "0.000001", "1.1000000", "0.0000001", "-1", "9223372036854.775807", "9223372036854.775808"]
CURRENCIES = ["EUR", "EuR", "ÉUR"]
PRICED = st.fixed_dictionaries(
    {"quantity": st.integers(1, 3)},
    optional={"price": st.sampled_from(AMOUNTS), "currency": st.sampled_from(CURRENCIES)},
)
TIMES = st.sampled_from(["2025-03-01T12:00:00Z", "1969-12-31T23:59:59.999999Z"])


@given(st.lists(PRICED, max_size=4), TIMES)
def test_many_are_as_one_by_one_by_the_rules_for_money_and_time(priced: list[dict[str, Any]], when: str) -> None:
    clicks = [{**COMMON, "action": "view", "event_time": when, **one} for one in priced]
    orders = [{**GOOD[ORDER], "event_time": when, "amount": one.get("price", 1)} for one in priced]
    for topic, events in ((CLICK, clicks), (ORDER, orders)):
        values = [msgspec.json.encode(event) for event in events]
        # Beside a value that is none, each is looked at by itself.
        alone = [decode_many(topic, [value, b"["])[0] for value in values]
        assert list(map(fate, decode_many(topic, values))) == list(map(fate, alone))


def fate(result: Event | EventError) -> Any:
    return (result.reason, str(result)) if isinstance(result, EventError) else result


def test_many_of_no_topic() -> None:
    with pytest.raises(EventError, match="no topic 'orders'"):
        decode_many("orders", [])


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def survives(topic: str, value: bytes) -> None:
    """Nothing but a row or an EventError comes of any bytes, and a row goes over the wire unchanged."""
    try:
        event = decode(topic, value)
        row = row_of(topic, event, 1_740_000_000_000_000)
    except EventError as error:
        assert error.reason in REASONS and len(error.detail) < 400
        return
    assert len(row) == len(BASE) + len(COLUMNS[topic])
    assert read_blocks(topic, [block_message(topic, [row]).value])[0].to_pylist() == [row]


@given(st.sampled_from(TOPICS), st.data())
def test_hostile_values_never_crash(topic: str, data: st.DataObject) -> None:
    fields = [*EVENT_TYPES[topic].__struct_fields__, "other"]
    changes = data.draw(
        st.dictionaries(st.sampled_from(fields), JSON_VALUES | st.text("0123456789.eE+-_", max_size=30))
    )
    survives(topic, msgspec.json.encode({**GOOD[topic], **changes}))


@given(st.sampled_from(TOPICS), st.binary(max_size=200))
def test_hostile_bytes_never_crash(topic: str, value: bytes) -> None:
    survives(topic, value)


@given(st.sampled_from(TOPICS), st.integers(0, 400), st.binary(min_size=0, max_size=4), st.integers(0, 5))
def test_damaged_events_never_crash(topic: str, at: int, put: bytes, cut: int) -> None:
    good = raw(topic)
    at %= len(good)
    survives(topic, good[:at] + put + good[at + cut :])


def test_common_fields_are_the_same_everywhere() -> None:
    assert all(EVENT_TYPES[topic].__struct_fields__[:3] == tuple(COMMON) for topic in TOPICS)
