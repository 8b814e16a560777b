"""What a mapping makes of payloads: all of one or nothing, exact, with times in their zone."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sources import SHOP, events_of, shop, translated

from rapport.errors import EventError
from rapport.webhooks import Source

ORDER: dict[str, Any] = {
    "kind": "order",
    "id": "o1",
    "who": "anna",
    "at": "2026-03-01T13:00:00",
    "pieces": 3,
    "each": "0.10",
}
LINES = (
    SHOP.replace('"shop:{id}"', '"shop:{id}:{$row}"')
    .replace("[pieces, each]}", "[lines.pieces, lines.each]}")
    .replace("  - topic: purchase_events\n", "  - topic: purchase_events\n    each: lines\n")
)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    return [shop(tmp_path_factory.mktemp("sources"), text) for text in (SHOP, LINES)]


def refusal(source: Source, payload: Any) -> EventError:
    with pytest.raises(EventError) as caught:
        translated(source, payload)
    return caught.value


def test_local_times_and_exact_money(tmp_path: Path) -> None:
    ((topic, event),) = events_of(translated(shop(tmp_path), ORDER))
    assert topic == "purchase_events"
    assert event["event_time"] == "2026-03-01T12:00:00Z" and event["amount"] == "0.30"


@settings(max_examples=60, deadline=None)
@given(pieces=st.integers(1, 1_000), cents=st.integers(0, 10**9))
def test_amounts_are_exact_however_they_are_written(compiled: list[Source], pieces: int, cents: int) -> None:
    source = compiled[0]
    each = f"{cents // 100}.{cents % 100:02}"
    for written in (f'"{each}"', each):
        body = f'{{"kind":"order","id":"o","who":"a","at":"2026-01-01T00:00:00Z","pieces":{pieces},"each":{written}}}'
        ((_, event),) = events_of(translated(source, body.encode()))
        assert Decimal(event["amount"]) == Decimal(cents) * pieces / 100


def test_an_item_that_is_wrong_keeps_the_whole_payload_back(tmp_path: Path) -> None:
    source = shop(tmp_path, LINES)
    good = {"pieces": 1, "each": "2.00"}
    made = translated(source, {**ORDER, "lines": [good, good]})
    assert [event["event_id"] for _, event in events_of(made)] == ["shop:o1:1", "shop:o1:2"]
    error = refusal(source, {**ORDER, "lines": [good, {"pieces": 1, "each": "free"}]})
    assert (error.reason, error.field) == ("bad_value", "amount")
    assert "events[0], lines item 2" in error.detail and "'free'" in error.detail


@pytest.mark.parametrize(
    ("payload", "reason", "field", "said"),
    [
        (b"{", "bad_json", "", "not JSON"),
        (b"\xff", "bad_json", "", "not JSON"),
        (b"[" * 100_000, "bad_json", "", "nested"),
        (b"3", "unmapped", "", "no rule"),
        ({"kind": "return"}, "unmapped", "", "no rule"),
        ({**ORDER, "kind": ["order"]}, "unmapped", "", "no rule"),
        ({**ORDER, "who": None}, "no_customer", "customer_id", "'who'"),
        ({**ORDER, "who": "  "}, "no_customer", "customer_id", "'who'"),
        ({**ORDER, "who": {"id": 1}}, "bad_value", "customer_id", "single value"),
        ({**ORDER, "at": "yesterday"}, "bad_value", "event_time", "'yesterday'"),
        ({**ORDER, "at": ""}, "missing_field", "event_time", "'at'"),
        ({**ORDER, "at": "2026-04-01T04:00:00Z"}, "future_event", "event_time", "clock"),
        ({**ORDER, "each": None}, "missing_field", "amount", "no value"),
        ({**ORDER, "each": "-1"}, "bad_value", "amount", "negative"),
        ({**ORDER, "each": "0.0000001"}, "bad_value", "amount", "decimals"),
        ({**ORDER, "id": "x" * 200}, "bad_value", "event_id", "128"),
        ({**ORDER, "id": None}, "missing_field", "event_id", "no value"),
    ],
)
def test_what_cannot_be_mapped_says_why(tmp_path: Path, payload: Any, reason: str, field: str, said: str) -> None:
    error = refusal(shop(tmp_path), payload)
    assert (error.reason, error.field) == (reason, field)
    assert said in error.detail


@pytest.mark.parametrize(
    ("lines", "reason"),
    [(None, "bad_value"), ("none", "bad_value"), ([{}] * 5_001, "too_large"), ([3], "missing_field")],
)
def test_a_list_that_is_none(tmp_path: Path, lines: Any, reason: str) -> None:
    assert refusal(shop(tmp_path, LINES), {**ORDER, "lines": lines}).reason == reason


def test_an_empty_list_gives_nothing_and_is_no_mistake(tmp_path: Path) -> None:
    made = translated(shop(tmp_path, LINES), {**ORDER, "lines": []})
    assert (made.events, made.skipped, made.ignored) == ([], 0, False)


def test_a_payload_that_is_a_list(tmp_path: Path) -> None:
    text = (
        SHOP.replace("kind:", "$.kind:")
        .replace("{column: at,", "{column: $.at,")
        .replace("{column: who}", "{column: $.who}")
    )
    text = (
        text.replace("{id}", "{$.id}")
        .replace("order_id: id", "order_id: $.id")
        .replace("[pieces, each]", "[$.pieces, $.each]")
    )
    source = shop(tmp_path, text.replace("    when:", "    each: $\n    when:"))
    made = translated(source, [ORDER, {"kind": "other"}, {**ORDER, "id": "o2"}])
    assert [event["order_id"] for _, event in events_of(made)] == ["o1", "o2"]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_changes = _values | st.lists(st.just(ORDER) | _values, max_size=3)


@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([*ORDER, "lines"]), _changes))
def test_no_payload_breaks_it(compiled: list[Source], changes: dict[str, Any]) -> None:
    for source in compiled:
        payload = {**ORDER, **changes}
        try:
            translated(source, payload)
        except EventError as error:
            assert error.reason and len(error.detail) < 500
        source.translator.customers_of(json.dumps(payload).encode(), {})


def test_the_customers_of_a_payload_that_cannot_be_mapped(tmp_path: Path) -> None:
    source = shop(tmp_path, LINES.replace("column: who", "column: lines.who, prefix: card-"))
    body = {**ORDER, "lines": [{"who": 7, "each": "free"}, {"who": "8"}, {"who": 7}, {"who": None}]}
    assert source.translator.customers_of(json.dumps(body).encode(), {}) == ["card-7", "card-8"]
    assert source.translator.customers_of(b"{", {}) == []
