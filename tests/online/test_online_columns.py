"""A writer takes whose events are, and where they stand, as columns; the same comes out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from rapport.bus.protocol import Position
from rapport.online import Customers, OnlineWriter, Places
from rapport.online.keys import KeyMaker
from rapport.testing.feeding import events_of
from rapport.windows import Aggregation, Kind, View, compile_view
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
    customers = Customers(["ζ", "nobody", "ben", "anna"], np.array([3, 2, 3, 0, 2]))
    report = OnlineWriter(client, "columns", PLANS).apply(customers, columns(*positions), 3, EVENTS)
    assert (report.events, report.applied, report.rows) == (5, 10, 3)
    for who in set(IDS):
        mine, theirs = (client.hgetall(KeyMaker(project).key(who)) for project in ("columns", "objects"))
        assert mine
        assert mine == theirs
    assert not client.exists(KeyMaker("columns").key("nobody"))
    again = OnlineWriter(client, "columns", PLANS).apply(customers, columns(*positions), 3, EVENTS)
    assert (again.applied, again.replayed, again.rows) == (0, 10, 0)


@pytest.mark.parametrize(
    ("customers", "places", "message"),
    [
        (Customers(["a", "a"], np.zeros(5, np.int64)), 5, "a customer twice"),
        (Customers(["a"], np.array([0, 0, 1, 0, 0])), 5, "event 2 is of row 1: 0 to 0 is allowed"),
        (Customers(["a"], np.array([0, 0, -1, 0, 0])), 5, "event 2 is of row -1"),
        (Customers(["a"], np.zeros(4, np.int64)), 5, "4 customers, 5 positions, 5 events"),
        (IDS, 4, "5 customers, 4 positions, 5 events"),
    ],
)
def test_bad_columns(client: redis.Redis, customers: Customers | list[str], places: int, message: str) -> None:
    writer = OnlineWriter(client, "p", PLANS)
    with pytest.raises(ValueError, match=message):
        writer.apply(customers, columns(*((1, n) for n in range(places))), 0, EVENTS)


def test_columns_of_positions_must_ascend(client: redis.Redis) -> None:
    places = columns((1, 1), (1, 2), (2, 0), (1, 9), (3, 0))
    with pytest.raises(ValueError, match=r"Position\(hi=1, lo=9\) comes after Position\(hi=2, lo=0\)"):
        OnlineWriter(client, "p", PLANS).apply(IDS, places, 0, EVENTS)


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
