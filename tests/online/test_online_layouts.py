"""A declaration changes while rows are there: nothing is misread, what can be reused is, and gaps say what lacks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import redis

from rapport.bus.protocol import START, Position
from rapport.errors import StoreError
from rapport.online import Keeping, Layouts, OnlineWriter
from rapport.online.fence import RowStore
from rapport.online.keeping import kept_key
from rapport.online.layouts import layouts_key
from rapport.online.marks import MARK_BYTES
from rapport.online.stored import read_stored
from rapport.testing.feeding import CustomerEvent, deliver, events_of
from rapport.testing.oracle import OracleEvent, oracle
from rapport.windows import Aggregation, Gap, Kind, Plan, View, compile_view, complete

NOW = 1_700_000_000_000_000
MINUTE = 60_000_000
KINDS = {"amount": Kind.INT, "item": Kind.STRING}
SHORT = Aggregation("n_5m", "count", "", 5 * MINUTE, MINUTE)
LONG = Aggregation("n_15m", "count", "", 15 * MINUTE, MINUTE)
TOTAL = Aggregation("total", "sum", "amount", None, None)
ITEMS = Aggregation("items", "count_distinct", "item", None, None)
BEFORE, AFTER = View("v", KINDS, (SHORT, TOTAL)), View("v", KINDS, (SHORT, LONG, TOTAL, ITEMS))


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def _writer(client: redis.Redis, plan: Plan) -> OnlineWriter:
    layouts = Layouts(client, "p", [plan])
    layouts.register()
    return OnlineWriter(client, "p", [plan], layouts=layouts, keeping=Keeping(client, "p"))


def _events(count: int, seed: int) -> list[CustomerEvent]:
    rng = random.Random(seed)
    return [
        (
            f"c{rng.randrange(5)}",
            (
                f"{seed}-{i}",
                NOW - rng.randrange(20 * MINUTE),
                {"amount": rng.randrange(100), "item": rng.choice("abc")},
            ),
        )
        for i in range(count)
    ]


def _read(
    client: redis.Redis, plan: Plan, customers: list[str], layouts: Layouts | None = None
) -> list[dict[str, object]]:
    values = [stored[0] for stored in RowStore(client, "p", ["v"]).load(customers)]
    found, damaged = read_stored(plan, values, NOW, Layouts(client, "p"))
    assert not damaged
    return [found.row(at) for at in range(len(customers))]


def test_rows_of_an_old_declaration_serve_what_they_have(client: redis.Redis) -> None:
    old, new = compile_view(BEFORE), compile_view(AFTER)
    events = _events(60, 1)
    deliver(_writer(client, old), KINDS, events)
    for who in sorted({who for who, _ in events}):
        (row,) = _read(client, new, [who])
        _, want = oracle(AFTER, [event for owner, event in events if owner == who], NOW)
        assert row == want | {"n_15m": None, "items": None}
    # And the other way round: a reader that still has the old declaration reads new rows.
    both = events + _events(60, 2)
    deliver(_writer(client, new), KINDS, both, batches=[slice(60, None)])
    for who in sorted({who for who, _ in both}):
        (row,) = _read(client, old, [who])
        assert row == oracle(BEFORE, [event for owner, event in both if owner == who], NOW)[1]


def test_what_is_lacking_is_added_from_the_past_once(client: redis.Redis) -> None:
    old, new = compile_view(BEFORE), compile_view(AFTER)
    past, later = _events(80, 1), _events(40, 2)
    deliver(_writer(client, old), KINDS, past)
    deliver(_writer(client, new), KINDS, past + later, batches=[slice(80, None)])
    store = RowStore(client, "p", ["v"])
    for who in sorted({owner for owner, _ in past + later}):
        mine = [event for owner, event in past + later if owner == who]
        places = [at for at, (owner, _) in enumerate(past + later, start=1) if owner == who]
        (value,) = store.load([who])[0]
        assert value is not None
        made = _made_whole(new, value, mine, places)
        assert read_stored(new, [made], NOW)[0].row(0) == oracle(AFTER, mine, NOW)[1]


def _made_whole(plan: Plan, value: bytes, events: list[OracleEvent], places: list[int]) -> bytes:
    lo = np.array(places, np.uint64)
    columns = events_of(KINDS, events)
    rows = complete(plan, [value[MARK_BYTES:]], np.zeros(len(events), np.int64), columns, np.ones_like(lo), lo)
    return value[:MARK_BYTES] + rows[0]


def test_a_lost_layout_leaves_gaps_not_wrong_values(client: redis.Redis) -> None:
    old, new = compile_view(BEFORE), compile_view(AFTER)
    deliver(_writer(client, old), KINDS, [("c", ("e", NOW, {"amount": 3, "item": "a"}))])
    client.delete(layouts_key("p"))
    assert set(_read(client, new, ["c"])[0].values()) == {None}


def test_a_layout_that_is_not_what_it_says_is_refused(client: redis.Redis) -> None:
    plan = compile_view(BEFORE)
    client.hset(layouts_key("p"), mapping={b"abcd": b'[["",3,1,2,0]]'})
    with pytest.raises(StoreError, match="61626364 is in truth"):
        Layouts(client, "p").find(plan.layout)


def test_views_of_a_fresh_installation_lack_nothing(client: redis.Redis) -> None:
    keeping = Keeping(client, "p")
    keeping.begin([compile_view(BEFORE)], {0: START, 1: START}, NOW)
    assert keeping.all()["v"].complete
    assert keeping.gap("v", 0) is None


def test_views_begun_late_lack_the_past_until_it_is_added(client: redis.Redis) -> None:
    plan, keeping = compile_view(BEFORE), Keeping(client, "p")
    keeping.begin([plan], {0: Position(7, 1), 1: START}, NOW)
    keeping.begin([plan], {0: Position(9, 9), 1: START}, NOW + 1)
    assert keeping.gap("v", 0) == Gap(NOW, 7, 1)
    assert keeping.gap("v", 1) is None
    assert Keeping(client, "p").finish("v", plan.layout.hex())
    keeping.all()
    assert keeping.gap("v", 0) is None


def test_a_changed_view_is_incomplete_until_its_rows_are_whole(client: redis.Redis) -> None:
    keeping, new = Keeping(client, "p"), compile_view(AFTER)
    keeping.begin([compile_view(BEFORE)], {0: START}, NOW)
    keeping.begin([new], {0: Position(5, 0)}, NOW)
    kept = keeping.all()["v"]
    assert (kept.complete, kept.layout, kept.begun) == (False, new.layout.hex(), {0: START})
    # A rebuild for the declaration of before does not count.
    assert not keeping.finish("v", compile_view(BEFORE).layout.hex())
    assert keeping.finish("v", new.layout.hex())


def test_a_view_of_another_ttl_keeps_its_rows(client: redis.Redis) -> None:
    keeping = Keeping(client, "p")
    keeping.begin([compile_view(BEFORE)], {0: START}, NOW)
    keeping.begin([compile_view(replace(BEFORE, ttl_us=MINUTE))], {0: START}, NOW)
    assert keeping.all()["v"].complete


def test_a_record_that_cannot_be_read_is_named(client: redis.Redis) -> None:
    client.hset(kept_key("p"), "v", "{")
    with pytest.raises(StoreError, match="rapport:kept:p"):
        Keeping(client, "p").all()


def test_a_new_customer_of_a_view_begun_late_has_a_gap(client: redis.Redis) -> None:
    plan = compile_view(BEFORE)
    Keeping(client, "p").begin([plan], {0: Position(0, 50)}, NOW)
    deliver(_writer(client, plan), KINDS, [("c", ("e", NOW, {"amount": 3, "item": "a"}))])
    assert _read(client, plan, ["c"]) == [{"n_5m": None, "total": None}]
