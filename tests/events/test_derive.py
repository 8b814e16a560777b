"""Derived columns, the clamp of times, and the wire format of rows."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import row

from rapport.bus.placed import place_of, places_of
from rapport.bus.protocol import Position
from rapport.clock import to_us
from rapport.errors import EventError, RowCorrupt
from rapport.events.block import (
    BLOCK_BYTES,
    encode_blocks,
    events_of,
    joined,
    places_of_rows,
    read_blocks,
    rows_in,
)
from rapport.events.columns import BASE, COLUMNS
from rapport.events.decode import decode
from rapport.events.frustration import model_version
from rapport.events.schema import TOPICS
from rapport.events.times import MAX_AHEAD_US
from rapport.testing.blocks import block_message, rows_of
from rapport.windows.view import Kind

NOON_US = 1_740_830_400_250_000


def test_clicks() -> None:
    added = row("customer_clicks")
    assert (added["price_micros"], added["cart_micros"], added["cart_product_id"]) == (12_500_000, 37_500_000, "p1")
    assert [added[flag] for flag in ("view", "cart_add", "cart_remove", "checkout")] == [None, True, None, None]
    removed = row("customer_clicks", action="cart_remove")
    assert (removed["cart_micros"], removed["cart_product_id"], removed["cart_remove"]) == (-37_500_000, None, True)
    unpriced = row("customer_clicks", price=None, currency=None)
    assert (unpriced["price_micros"], unpriced["cart_micros"], unpriced["cart_add"]) == (None, None, True)
    viewed = row("customer_clicks", action="view")
    assert (viewed["cart_micros"], viewed["cart_product_id"], viewed["product_id"]) == (None, None, "p1")


def test_purchases() -> None:
    order = row("purchase_events")
    assert (order["order_id"], order["cancelled_order_id"], order["order_day"]) == (
        "o1",
        None,
        NOON_US // 86_400_000_000,
    )
    assert (order["amount_micros"], order["refund_micros"], order["net_micros"]) == (10_250_000, None, 10_250_000)
    back = row("purchase_events", action="cancellation")
    assert (back["order_id"], back["cancelled_order_id"], back["order_day"]) == (None, "o1", None)
    assert (back["amount_micros"], back["refund_micros"], back["net_micros"]) == (None, 10_250_000, -10_250_000)


@pytest.mark.parametrize(("action", "change"), [("opened", 1), ("reopened", 1), ("resolved", -1), ("updated", None)])
def test_tickets(action: str, change: int | None) -> None:
    ticket = row("support_tickets", action=action, priority="low")
    assert ticket["open_change"] == change and ticket["urgent"] is None
    assert [flag for flag in ("opened", "resolved", "reopened") if ticket[flag]] == ([] if change is None else [action])


def test_messages() -> None:
    customer = row("chat_messages")
    assert customer["message"] is True and customer["query"] == "where is my order"
    assert isinstance(customer["sentiment"], float) and isinstance(customer["negative"], bool)
    agent = row("chat_messages", role="agent")
    derived = ("message", "sentiment", "negative", "frustration", "query", "text_model")
    assert [agent[name] for name in derived] == [None] * 6
    assert customer["text_model"] == model_version()
    assert row("chat_messages", text="?!")["query"] is None


@pytest.mark.parametrize(("csat", "low"), [(1, True), (2, True), (3, False), (None, None)])
def test_feedback(csat: int | None, low: bool | None) -> None:
    assert row("feedback", csat=csat)["low_csat"] is low


def test_an_event_ahead_of_its_arrival_is_clamped_up_to_five_minutes() -> None:
    assert row("feedback")["claimed_time_us"] is None
    late = row("feedback", arrival_us=NOON_US + 5)
    assert (late["event_time_us"], late["claimed_time_us"], late["arrival_time_us"]) == (NOON_US, None, NOON_US + 5)
    for ahead in (1, MAX_AHEAD_US):
        early = row("feedback", arrival_us=NOON_US - ahead)
        assert (early["event_time_us"], early["claimed_time_us"]) == (NOON_US - ahead, NOON_US)
    with pytest.raises(EventError) as caught:
        row("feedback", arrival_us=NOON_US - MAX_AHEAD_US - 1)
    assert (caught.value.reason, caught.value.field) == ("future_event", "event_time")


def test_the_day_of_a_clamped_order_is_the_day_it_arrived() -> None:
    midnight = NOON_US // 86_400_000_000 * 86_400_000_000
    order = row("purchase_events", event_time="2025-03-01T00:00:01Z", arrival_us=midnight - 1)
    assert order["order_day"] == midnight // 86_400_000_000 - 1


@pytest.mark.parametrize("topic", TOPICS)
def test_rows_have_the_declared_types_and_survive_the_wire(topic: str) -> None:
    types = {Kind.INT: int, Kind.FLOAT: float, Kind.STRING: str, Kind.BOOL: bool}
    kinds = {**BASE, **COLUMNS[topic]}
    for name, value in row(topic).items():
        assert value is None or type(value) is types[kinds[name]], name


@pytest.mark.parametrize("topic", TOPICS)
def test_rows_survive_the_wire_in_blocks_of_a_bounded_size(topic: str) -> None:
    one = row(topic, customer_id="c" * 100)
    given = [{**one, "event_id": f"e{i}"} for i in range(9_000)]
    blocks = list(encode_blocks(topic, rows_of(topic, given)))
    assert sum(events for _, events in blocks) == 9_000 and 1 < len(blocks) < 20
    assert all(len(block) < 2 * BLOCK_BYTES and rows_in(block) == events for block, events in blocks)
    rows = joined(topic, read_blocks(topic, [block for block, _ in blocks]))
    assert rows.to_pylist() == given
    kinds = {**BASE, **COLUMNS[topic]}
    events = events_of(topic, rows, kinds)
    assert set(events.event_time_us.tolist()) == {NOON_US}
    assert {name: column.to_list() for name, column in events.columns.items()} == rows.to_pydict()
    assert list(encode_blocks(topic, rows_of(topic, []))) == [] and read_blocks(topic, []) == []
    assert len(events_of(topic, joined(topic, []), kinds)) == 0


def test_values_that_are_no_blocks_are_named() -> None:
    good, other = (
        block_message("feedback", [row("feedback")]).value,
        block_message("chat_messages", [row("chat_messages")]),
    )
    turned = good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]
    for bad in (b"", b"\x01", good + b"\0", good[:-1], good[:20], b"\x02" + good[1:], turned, other.value):
        with pytest.raises(RowCorrupt, match=r"1 of 3 records .* number 1") as caught:
            read_blocks("feedback", [good, bad, good])
        assert caught.value.rows == (1,)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=6), st.integers(0, 6), st.data())
def test_the_places_of_rows_lie_between_the_positions_of_blocks(
    steps: list[tuple[int, int]], without: int, data: st.DataObject
) -> None:
    """A block comes at least one behind the one before, by offsets; or as many behind as it has rows. Blocks whose rows
    say their places, those of the raw log, come behind all others, and reach behind their rows."""
    positions, values, raw = [], [], 0
    for number, at in enumerate(accumulate(step for step, _ in steps)):
        size = steps[number][1]
        places, position = None, Position(at, 0)
        if number >= without:
            skipped = data.draw(st.lists(st.integers(1, 3), min_size=size + 1, max_size=size + 1))
            *taken, reached = accumulate(skipped, initial=raw)
            places, raw = places_of([Position(offset + 1, 0) for offset in taken[1:]]), reached
            position = Position(place_of(Position(reached + 1, 0)), at)
        ((block, _),) = encode_blocks("feedback", rows_of("feedback", [row("feedback")] * size), places)
        positions.append(position)
        values.append(block)
    hi, lo = places_of_rows(positions, values)
    rows = iter(zip(hi.tolist(), lo.tolist(), strict=True))
    before: tuple[int, int] = (0, 0)
    for position, (_, size) in zip(positions, steps, strict=True):
        for _ in range(size):
            place = next(rows)
            assert before < place < position
            before = place
        before = position
    assert next(rows, None) is None


def test_times_are_exact() -> None:
    event = decode(
        "feedback", b'{"event_id":"e","customer_id":"c","event_time":"2262-04-11T23:47:16.854775+02:00","csat":1}'
    )
    assert to_us(event.event_time) == 9_223_364_836_854_775
