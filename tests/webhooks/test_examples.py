"""The mappings that come with Rapport, on the payloads that come with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from sources import events_of, example, translated

from rapport.webhooks import example_names, example_payloads

EXPECTED: dict[str, list[dict[str, Any]]] = {
    "shop.orders_create": [
        {
            "event_id": "shop:order:820982911946154508:466157049",
            "customer_id": "17850",
            "event_time": "2026-03-01T12:00:00Z",
            "action": "order",
            "order_id": "820982911946154508",
            "product_id": "632910392",
            "quantity": 6,
            "amount": "15.30",
            "currency": "EUR",
        },
        {"event_id": "shop:order:820982911946154508:518995019", "amount": "46.08", "quantity": 3},
    ],
    "shop.orders_cancelled": [{"action": "cancellation", "amount": "15.30", "event_time": "2026-03-01T17:30:00Z"}],
    "shop.carts_update": [{"action": "cart_add", "price": "7.1", "currency": "EUR", "quantity": 3}],
    "shop.checkouts_create": [{"action": "checkout", "session_id": "eeafa272cebfd4b22385bc4b645e762c"}],
    "helpdesk.ticket_created": [
        {"action": "opened", "ticket_id": "5158", "priority": "high", "event_time": "2026-03-01T12:04:11.297548Z"}
    ],
    "helpdesk.status_changed": [{"action": "resolved", "priority": "normal"}],
    "helpdesk.comment_added": [
        {"action": "updated"},
        {"role": "customer", "conversation_id": "ticket-5158", "text": "This is the third time that I ask!"},
    ],
    "chat.message_created": [{"role": "customer", "text": "Hello, where is my order?", "conversation_id": "88"}],
    "crm.changes": [
        {"action": "updated", "priority": "urgent", "event_time": "2026-03-01T12:00:00.123000Z"},
        {"csat": 2, "resolved": False, "customer_id": "13047"},
    ],
    "transactions.bookings": [
        {"customer_id": "card-77", "amount": "7.00", "event_time": "2026-03-29T00:30:00Z"},
        # The clocks have been changed between the two.
        {"action": "cancellation", "amount": "8.10", "order_id": "VIE-01-0999", "event_time": "2026-03-29T01:10:00Z"},
    ],
    "behaviour.batch": [
        {"action": "cart_add", "price": "2.55", "quantity": 2, "session_id": "1772366000"},
        {"action": "view", "page": "/checkout"},
    ],
}
SKIPPED = {"transactions.bookings": 1, "behaviour.batch": 1}
CASES = [f"{name}.{payload}" for name in example_names() for payload in example_payloads(name)]


def test_every_example_has_payloads_and_each_is_expected() -> None:
    assert sorted(CASES) == sorted(EXPECTED)
    assert {case.partition(".")[0] for case in CASES} == set(example_names())


@pytest.mark.parametrize("case", CASES)
def test_an_example_gives_these_events(case: str, tmp_path: Path) -> None:
    name, _, payload = case.partition(".")
    source = example(name, tmp_path)
    body = example_payloads(name)[payload]
    headers = {"x-shopify-topic": payload.replace("_", "/")}
    made = source.translate(headers, body, 1_800_000_000_000_000)
    found = [event for _, event in events_of(made)]
    assert len(found) == len(EXPECTED[case])
    for event, expected in zip(found, EXPECTED[case], strict=True):
        assert {name: event[name] for name in expected} == expected
    assert made.skipped == SKIPPED.get(case, 0) and not made.ignored
    assert [event.key for event in made.events] == [event["customer_id"] for event in found]
    # Delivered again: the same ids, and the same bytes.
    assert source.translate(headers, body, 1_800_000_000_000_000) == made


def test_payloads_that_are_nobodys_event(tmp_path: Path) -> None:
    shop = example("shop", tmp_path)
    assert translated(shop, {"id": 1}, x_shopify_topic="orders/updated").ignored
    guest = {**msgspec.json.decode(example_payloads("shop")["orders_create"]), "customer": None}
    made = translated(shop, guest, x_shopify_topic="orders/create")
    assert (made.events, made.skipped, made.ignored) == ([], 2, False)
    helpdesk = example("helpdesk", tmp_path)
    closed = {"type": "zen:event-type:ticket.status_changed", "event": {"previous": "SOLVED", "current": "CLOSED"}}
    assert translated(helpdesk, closed).ignored
    note = {**msgspec.json.decode(example_payloads("chat")["message_created"]), "private": True}
    assert translated(example("chat", tmp_path), note).ignored
