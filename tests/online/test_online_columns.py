"""A writer takes where events stand as columns; the same comes out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from rapport.bus.protocol import Position
from rapport.online import OnlineWriter, Places
from rapport.online.batch import batch_of
from rapport.online.keys import KeyMaker
from rapport.testing.feeding import events_of
from rapport.windows import Aggregation, Events, Kind, View, compile_view
from rapport.windows.packed import sort_by_row

KINDS = {"amount": Kind.INT, "name": Kind.STRING}
HOUR, MINUTE = 3_600_000_000, 60_000_000
PLANS = [
    compile_view(View("a", KINDS, (Aggregation("total", "sum", "amount", HOUR, MINUTE),))),
    compile_view(View("b", KINDS, (Aggregation("name", "last", "name", None, None),))),
]
IDS = ["anna", "ben", "anna", "ζ", "ben"]
EVENTS = events_of(KINDS, [(str(n), n * MINUTE, {"amount": n, "name": f"name {n}"}) for n in range(len(IDS))])


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client
        client.flushdb()


def columns(*positions: tuple[int, int]) -> Places:
    hi, lo = (np.array(part, np.int64) for part in zip(*positions, strict=True))
    return hi, lo


def test_columns_and_objects_give_the_same_rows(client: redis.Redis) -> None:
    positions = [Position(7, n) for n in range(1, 6)]
    OnlineWriter(client, "objects", PLANS).apply(IDS, positions, 3, EVENTS)
    report = OnlineWriter(client, "columns", PLANS).apply(IDS, columns(*positions), 3, EVENTS)
    assert (report.events, report.applied, report.rows) == (5, 10, 3)
    for who in set(IDS):
        mine, theirs = (client.hgetall(KeyMaker(project).key(who)) for project in ("columns", "objects"))
        assert mine
        assert mine == theirs
    again = OnlineWriter(client, "columns", PLANS).apply(IDS, columns(*positions), 3, EVENTS)
    assert (again.applied, again.replayed, again.rows) == (0, 10, 0)


@pytest.mark.parametrize(
    ("customers", "places", "message"),
    [
        (IDS[:4], 5, "4 customers, 5 positions, 5 events"),
        (IDS, 4, "5 customers, 4 positions, 5 events"),
    ],
)
def test_bad_columns(client: redis.Redis, customers: list[str], places: int, message: str) -> None:
    writer = OnlineWriter(client, "p", PLANS)
    with pytest.raises(ValueError, match=message):
        writer.apply(customers, columns(*((1, n) for n in range(places))), 0, EVENTS)


def test_columns_of_positions_must_ascend(client: redis.Redis) -> None:
    places = columns((1, 1), (1, 2), (2, 0), (1, 9), (3, 0))
    with pytest.raises(ValueError, match=r"Position\(hi=1, lo=9\) comes after Position\(hi=2, lo=0\)"):
        OnlineWriter(client, "p", PLANS).apply(IDS, places, 0, EVENTS)


@given(st.lists(st.sampled_from("abcζ"), max_size=30))
def test_a_batch_has_the_events_of_each_customer(whose: list[str]) -> None:
    nothing = np.zeros(len(whose), np.int64)
    batch = batch_of(whose, columns(*((1, n) for n in range(len(whose)))) if whose else [], 0, Events(nothing))
    assert batch.customer_ids == list(dict.fromkeys(whose))
    for number, customer in enumerate(batch.customer_ids):
        mine = batch.order[batch.groups[number] : batch.groups[number + 1]]
        assert sorted(mine.tolist()) == [event for event, one in enumerate(whose) if one == customer]


def test_a_row_that_there_is_not() -> None:
    for row in (-1, 1):
        with pytest.raises(ValueError, match=f"event 1 is of row {row}: 0 to 0 is allowed"):
            sort_by_row(np.array([0, row]), np.zeros(2, np.int64), 1)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), max_size=60))
def test_events_are_sorted_by_row_newest_first(events: list[tuple[int, int]]) -> None:
    rows, times = (np.array([event[part] for event in events], np.int64) for part in (0, 1))
    order, groups = sort_by_row(rows, times, 5)
    assert sorted(order.tolist()) == list(range(len(events)))
    for row in range(5):
        mine = order[groups[row] : groups[row + 1]]
        assert (rows[mine] == row).all()
        assert (np.diff(times[mine]) <= 0).all()
    assert (groups[0], groups[-1], len(groups)) == (0, len(events), 6)
