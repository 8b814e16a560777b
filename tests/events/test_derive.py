"""Derived columns, the clamp of times, and the wire format of rows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from samples import row

from rapport.clock import to_us
from rapport.errors import EventError, RowCorrupt
from rapport.events.codec import columns_of, decode_rows, encode_row, events_of
from rapport.events.columns import BASE, COLUMNS
from rapport.events.decode import decode
from rapport.events.schema import TOPICS
from rapport.events.times import MAX_AHEAD_US
from rapport.windows.view import Kind

NOON_US = 1_740_830_400_250_000


def named(topic: str, **changes: Any) -> dict[str, Any]:
    return dict(zip((*BASE, *COLUMNS[topic]), row(topic, **changes), strict=True))


def test_clicks() -> None:
    added = named("customer_clicks")
    assert (added["price_micros"], added["cart_micros"], added["cart_product_id"]) == (12_500_000, 37_500_000, "p1")
    assert [added[flag] for flag in ("view", "cart_add", "cart_remove", "checkout")] == [None, True, None, None]
    removed = named("customer_clicks", action="cart_remove")
    assert (removed["cart_micros"], removed["cart_product_id"], removed["cart_remove"]) == (-37_500_000, None, True)
    unpriced = named("customer_clicks", price=None, currency=None)
    assert (unpriced["price_micros"], unpriced["cart_micros"], unpriced["cart_add"]) == (None, None, True)
    viewed = named("customer_clicks", action="view")
    assert (viewed["cart_micros"], viewed["cart_product_id"], viewed["product_id"]) == (None, None, "p1")


def test_purchases() -> None:
    order = named("purchase_events")
    assert (order["order_id"], order["cancelled_order_id"], order["order_day"]) == (
        "o1",
        None,
        NOON_US // 86_400_000_000,
    )
    assert (order["amount_micros"], order["refund_micros"], order["net_micros"]) == (10_250_000, None, 10_250_000)
    back = named("purchase_events", action="cancellation")
    assert (back["order_id"], back["cancelled_order_id"], back["order_day"]) == (None, "o1", None)
    assert (back["amount_micros"], back["refund_micros"], back["net_micros"]) == (None, 10_250_000, -10_250_000)


@pytest.mark.parametrize(("action", "change"), [("opened", 1), ("reopened", 1), ("resolved", -1), ("updated", None)])
def test_tickets(action: str, change: int | None) -> None:
    ticket = named("support_tickets", action=action, priority="low")
    assert ticket["open_change"] == change and ticket["urgent"] is None
    assert [flag for flag in ("opened", "resolved", "reopened") if ticket[flag]] == ([] if change is None else [action])


def test_messages() -> None:
    customer = named("chat_messages")
    assert customer["message"] is True and customer["query"] == "where is my order"
    assert isinstance(customer["sentiment"], float) and isinstance(customer["negative"], bool)
    agent = named("chat_messages", role="agent")
    assert [agent[name] for name in ("message", "sentiment", "negative", "frustration", "query")] == [None] * 5
    assert named("chat_messages", text="?!")["query"] is None


@pytest.mark.parametrize(("csat", "low"), [(1, True), (2, True), (3, False), (None, None)])
def test_feedback(csat: int | None, low: bool | None) -> None:
    assert named("feedback", csat=csat)["low_csat"] is low


def test_an_event_ahead_of_its_arrival_is_clamped_up_to_five_minutes() -> None:
    assert named("feedback")["claimed_time_us"] is None
    late = named("feedback", arrival_us=NOON_US + 5)
    assert (late["event_time_us"], late["claimed_time_us"], late["arrival_time_us"]) == (NOON_US, None, NOON_US + 5)
    for ahead in (1, MAX_AHEAD_US):
        early = named("feedback", arrival_us=NOON_US - ahead)
        assert (early["event_time_us"], early["claimed_time_us"]) == (NOON_US - ahead, NOON_US)
    with pytest.raises(EventError) as caught:
        named("feedback", arrival_us=NOON_US - MAX_AHEAD_US - 1)
    assert (caught.value.reason, caught.value.field) == ("future_event", "event_time")


def test_the_day_of_a_clamped_order_is_the_day_it_arrived() -> None:
    midnight = NOON_US // 86_400_000_000 * 86_400_000_000
    order = named("purchase_events", event_time="2025-03-01T00:00:01Z", arrival_us=midnight - 1)
    assert order["order_day"] == midnight // 86_400_000_000 - 1


@pytest.mark.parametrize("topic", TOPICS)
def test_rows_have_the_declared_types_and_survive_the_wire(topic: str) -> None:
    types = {Kind.INT: int, Kind.FLOAT: float, Kind.STRING: str, Kind.BOOL: bool}
    kinds = {**BASE, **COLUMNS[topic]}
    for name, value in named(topic).items():
        assert value is None or type(value) is types[kinds[name]], name
    rows = [row(topic, event_id=f"e{i}") for i in range(50)]
    assert decode_rows(topic, [encode_row(one) for one in rows]) == rows
    columns = columns_of(topic, rows, kinds)
    assert [columns[name].to_list() for name in kinds] == [list(column) for column in zip(*rows, strict=True)]
    events = events_of(topic, rows, [])
    assert len(events) == 50 and set(events.event_time_us.tolist()) == {NOON_US}
    assert decode_rows(topic, []) == [] and len(events_of(topic, [], kinds)) == 0


def test_values_that_are_no_rows_are_named() -> None:
    good = encode_row(row("feedback"))
    event = decode("feedback", b'{"event_id":"e","customer_id":"c","event_time":"2025-01-01T00:00:00Z","csat":1}')
    for bad in (b"", b"\x90", good + good, good[:-1], msgspec.msgpack.encode(event), encode_row(row("chat_messages"))):
        with pytest.raises(RowCorrupt, match=r"1 of 3 records .* number 1") as caught:
            decode_rows("feedback", [good, bad, good])
        assert caught.value.rows == (1,)


def test_times_are_exact() -> None:
    event = decode(
        "feedback", b'{"event_id":"e","customer_id":"c","event_time":"2262-04-11T23:47:16.854775+02:00","csat":1}'
    )
    assert to_us(event.event_time) == 9_223_364_836_854_775
