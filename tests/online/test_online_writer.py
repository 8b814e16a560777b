"""Events reach the rows once, whatever happens to their delivery."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapport.bus.protocol import Position
from rapport.errors import Fenced, StoreUnavailable
from rapport.online import MISSING, PRESENT, OnlineReader, OnlineWriter, WindowedView, delete_customer
from rapport.online.fence import RowStore
from rapport.online.keys import TILES, KeyMaker, field_of, time_field
from rapport.online.marks import MARK_BYTES
from rapport.online.packed import pack
from rapport.online.timestamps import decode_timestamp_us
from rapport.testing.feeding import CustomerEvent, deliver, events_of
from rapport.testing.oracle import oracle
from rapport.windows import Aggregation, Kind, View, compile_view

NOW = 1_700_000_000_000_000
KINDS = {"amount": Kind.INT, "item": Kind.STRING}
MINUTE = 60_000_000
ORDERS = View(
    "orders",
    KINDS,
    (
        Aggregation("n_5m", "count", "", 5 * MINUTE, MINUTE),
        Aggregation("total", "sum", "amount", None, None),
        Aggregation("items", "count_distinct", "item", None, None),
        Aggregation("last_item", "last", "item", None, None),
    ),
    ttl_us=60 * MINUTE,
)
RECENT = View("recent", KINDS, (Aggregation("amount_10m", "mean", "amount", 10 * MINUTE, MINUTE),))
PLANS = [compile_view(ORDERS), compile_view(RECENT)]
READ = [WindowedView(PLANS[0], PLANS[0].names), WindowedView(PLANS[1], PLANS[1].names)]


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def some_events(count: int, customers: int = 7, seed: int = 1) -> list[CustomerEvent]:
    rng = random.Random(seed)
    return [
        (
            f"c{rng.randrange(customers)}",
            (
                f"e{number}",
                NOW - rng.randrange(20 * MINUTE),
                {"amount": rng.choice([None, rng.randrange(1000)]), "item": rng.choice([None, "ä", "b", "c"])},
            ),
        )
        for number in range(count)
    ]


def check(client: redis.Redis, events: list[CustomerEvent], as_of_us: int = NOW) -> None:
    """What is read is what the oracle says of each customer's events."""
    customers = sorted({customer for customer, _ in events} | {"nobody"})
    rows = OnlineReader("p", READ, client=client).read(customers, as_of_us)
    for at, customer in enumerate(customers):
        mine = [event for owner, event in events if owner == customer]
        row: dict[str, Any] = {}
        for view in (ORDERS, RECENT):
            status, features = oracle(view, mine, as_of_us)
            assert rows.status[view.name][at] == status
            row |= {f"{view.name}__{name}": value for name, value in features.items()}
        assert rows.row(at) == pytest.approx(row)


def stored(client: redis.Redis, customer: str, project: str = "p") -> list[bytes | None]:
    """The values of both views, marks and rows."""
    fields = [field_of(name, TILES) for name in ("orders", "recent")]
    values: list[bytes | None] = client.hmget(KeyMaker(project).key(customer), fields)  # type: ignore[arg-type, assignment]
    return values


def test_every_customer_gets_its_own(client: redis.Redis) -> None:
    events = some_events(500)
    (report,) = deliver(OnlineWriter(client, "p", PLANS), KINDS, events)
    assert (report.events, report.applied, report.replayed, report.rows) == (500, 1_000, 0, 7)
    check(client, events)


def test_the_layout_in_redis(client: redis.Redis) -> None:
    deliver(OnlineWriter(client, "p", PLANS), KINDS, [("ζ", ("e", NOW, {"amount": 1}))], partition=3)
    stored: dict[bytes, bytes] = client.hgetall(KeyMaker("p").key("ζ"))  # type: ignore[assignment]
    assert sorted(stored) == sorted(
        [field_of("orders", TILES), field_of("recent", TILES), time_field("orders"), time_field("recent")]
    )
    mark = (3).to_bytes(2, "big") + (1).to_bytes(8, "big") * 2
    assert stored[field_of("orders", TILES)][:MARK_BYTES] == mark
    assert decode_timestamp_us(stored[time_field("orders")]) == NOW


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), max_size=6))
def test_splits_and_redeliveries_do_not_show(client: redis.Redis, seed: int, cuts: list[tuple[int, int]]) -> None:
    client.flushdb()
    events = some_events(60, seed=seed)
    reached, batches = 0, []
    for start, length in sorted(cuts):
        start = min(start, reached)
        batches.append(slice(start, start + length))
        reached = max(reached, start + length)
    batches += [slice(min(reached, 60), None), slice(None)]
    deliver(OnlineWriter(client, "p", PLANS, cache_rows=3), KINDS, events, batches=[b for b in batches if events[b]])
    check(client, events)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 25), st.integers(1, 25)), max_size=12),
)
def test_two_writers_in_any_interleaving_leave_the_rows_of_one(
    client: redis.Redis, seed: int, steps: list[tuple[bool, int, int]]
) -> None:
    """Each goes on, or back, from where it is; what they remember of the rows is stale again and again."""
    client.flushdb()
    events = some_events(60, customers=5, seed=seed)
    writers = [OnlineWriter(client, "p", PLANS, cache_rows=size) for size in (6, 100)]
    reached = [0, 0]
    for which, back, length in [*steps, (False, 0, 60), (True, 0, 60)]:
        start = max(0, reached[which] - back)
        reached[which] = max(reached[which], min(60, start + length))
        if events[start : start + length]:
            deliver(writers[which], KINDS, events, batches=[slice(start, start + length)])
    deliver(OnlineWriter(client, "alone", PLANS, cache_rows=0), KINDS, events)
    customers = sorted({customer for customer, _ in events})
    assert [stored(client, one) for one in customers] == [stored(client, one, "alone") for one in customers]
    check(client, events)


def test_a_restarted_worker_counts_nothing_twice(client: redis.Redis) -> None:
    events = some_events(300)
    deliver(OnlineWriter(client, "p", PLANS), KINDS, events, batches=[slice(0, 200)])
    (report,) = deliver(OnlineWriter(client, "p", PLANS), KINDS, events, batches=[slice(100, 300)])
    assert (report.applied, report.replayed) == (200, 200)
    check(client, events)


def test_writers_that_race_lose_nothing(client: redis.Redis) -> None:
    """Two workers believe that they own the partition, and both get every batch."""
    events = some_events(400, customers=5)
    batches = [slice(at, at + 20) for at in range(0, 400, 20)]
    writers = [OnlineWriter(client, "p", PLANS) for _ in range(2)]
    reports: list[Any] = []
    threads = [
        threading.Thread(target=lambda w=writer: reports.extend(deliver(w, KINDS, events, batches=batches)))
        for writer in writers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.applied for report in reports) == 800
    assert sum(report.replayed for report in reports) == 800
    check(client, events)


def test_a_stale_cache_is_noticed_at_the_write(client: redis.Redis) -> None:
    events = some_events(90, customers=3)
    first, second = OnlineWriter(client, "p", PLANS), OnlineWriter(client, "p", PLANS)
    deliver(first, KINDS, events, batches=[slice(0, 30)])
    deliver(second, KINDS, events, batches=[slice(30, 60)])
    (report,) = deliver(first, KINDS, events, batches=[slice(60, 90)])
    assert report.reloaded == 3
    check(client, events)


def test_a_deleted_customer_stays_deleted(client: redis.Redis) -> None:
    events = [("c1", (f"e{number}", NOW, {"amount": 10, "item": None})) for number in range(4)]
    writer = OnlineWriter(client, "p", PLANS)
    deliver(writer, KINDS, events, batches=[slice(0, 3)])
    assert delete_customer(client, "p", "c1")
    assert not delete_customer(client, "p", "c1")
    deliver(writer, KINDS, events, batches=[slice(0, 3)])
    assert OnlineReader("p", READ, client=client).read(["c1"], NOW).status["orders"] == (MISSING,)
    deliver(writer, KINDS, events, batches=[slice(3, 4)])
    check(client, events[3:])


def test_a_view_added_later_starts_with_the_next_event(client: redis.Redis) -> None:
    events = some_events(100, customers=2)
    deliver(OnlineWriter(client, "p", PLANS[:1]), KINDS, events, batches=[slice(0, 60)])
    deliver(OnlineWriter(client, "p", PLANS), KINDS, events, batches=[slice(60, 100)])
    customers = sorted({customer for customer, _ in events})
    rows = OnlineReader("p", READ, client=client).read(customers, NOW)
    for at, customer in enumerate(customers):
        everything = [event for owner, event in events if owner == customer]
        late = [event for owner, event in events[60:] if owner == customer]
        row = rows.row(at)
        assert row["orders__total"] == oracle(ORDERS, everything, NOW)[1]["total"]
        assert row["recent__amount_10m"] == pytest.approx(oracle(RECENT, late, NOW)[1]["amount_10m"])


def test_a_row_of_an_unknown_declaration_says_nothing_of_the_past(client: redis.Redis) -> None:
    before = compile_view(View("orders", KINDS, (Aggregation("most", "max", "amount", None, None),)))
    deliver(OnlineWriter(client, "p", [before]), KINDS, [("c1", ("e0", NOW, {"amount": 1}))])
    rows = OnlineReader("p", READ, client=client).read(["c1"], NOW)
    assert rows.status["orders"] == (PRESENT,)
    assert all(value is None for value in rows.row(0).values())


def test_another_partition_is_not_a_replay(client: redis.Redis) -> None:
    event = [("c1", ("e", NOW, {"amount": 1}))]
    writer = OnlineWriter(client, "p", PLANS)
    deliver(writer, KINDS, event, partition=0)
    deliver(writer, KINDS, event, partition=1)
    assert OnlineReader("p", READ, client=client).read(["c1"], NOW).row(0)["orders__total"] == 2


def test_damaged_rows_are_reported_and_spare_the_others(client: redis.Redis) -> None:
    events = some_events(100, customers=3)
    deliver(OnlineWriter(client, "p", PLANS), KINDS, events, batches=[slice(0, 50)])
    key, field = KeyMaker("p").key("c1"), field_of("orders", TILES)
    broken = bytes(client.hget(key, field) or b"")[:-3]  # type: ignore[call-overload]
    client.hset(key, field, broken)  # type: ignore[call-overload]
    (report,) = deliver(OnlineWriter(client, "p", PLANS), KINDS, events, batches=[slice(50, 100)])
    assert report.damaged == [("c1", "orders")]
    assert client.hget(key, field) == broken  # type: ignore[call-overload]
    rows = OnlineReader("p", READ, client=client).read(["c0", "c1", "c2"], NOW)
    assert rows.damaged == {"orders": (1,)}
    assert rows.status == {"orders": ("present", "missing", "present"), "recent": ("present",) * 3}
    check(client, [(customer, event) for customer, event in events if customer != "c1"])


def test_a_forgotten_script_is_sent_again(client: redis.Redis) -> None:
    events = some_events(20)
    writer = OnlineWriter(client, "p", PLANS)
    deliver(writer, KINDS, events, batches=[slice(0, 10)])
    client.script_flush()
    deliver(writer, KINDS, events, batches=[slice(10, 20)])
    check(client, events)


def test_more_customers_than_one_call_takes(client: redis.Redis) -> None:
    events = some_events(3_000, customers=900)
    (report,) = deliver(OnlineWriter(client, "p", PLANS), KINDS, events)
    assert report.rows == len({customer for customer, _ in events})
    check(client, events)


def test_endless_interference_is_an_error(client: redis.Redis) -> None:
    class Interfering(redis.ConnectionPool):
        """Another worker, which writes whenever this one has loaded a row and is about to write it."""

        def get_connection(self, *args: Any, **options: Any) -> Any:
            connection = super().get_connection(*args, **options)
            send = connection.send_packed_command

            def send_later(commands: Any, *more: Any, **options: Any) -> None:
                if b"EVALSHA" in bytes(commands[0]):
                    event = [("c1", (str(random.random()), NOW, {}))]
                    deliver(OnlineWriter(client, "p", PLANS), KINDS, event, partition=next(number))
                send(commands, *more, **options)

            connection.send_packed_command = send_later
            return connection

    number = iter(range(1, 1_000))
    pool = client.connection_pool
    mine = redis.Redis(connection_pool=Interfering(pool.connection_class, **pool.connection_kwargs))
    with pytest.raises(Fenced, match="another worker is writing partition 0"):
        deliver(OnlineWriter(mine, "p", PLANS), KINDS, [("c1", ("e", NOW, {"amount": 1}))])


@pytest.mark.parametrize(
    ("positions", "partition", "message"),
    [
        ([Position(1, 1), Position(1, 1)], 0, "positions must ascend"),
        ([Position(2, 0), Position(1, 9)], 0, "comes after"),
        ([Position(1, 1)], 0, "not equal"),
        ([Position(1, 1), Position(1, 2)], 70_000, "0 to 65535"),
    ],
)
def test_bad_calls(client: redis.Redis, positions: list[Position], partition: int, message: str) -> None:
    events = events_of(KINDS, [("a", NOW, {}), ("b", NOW, {})])
    with pytest.raises(ValueError, match=message):
        OnlineWriter(client, "p", PLANS).apply(["c", "c"], positions, partition, events)


def test_nothing_to_apply(client: redis.Redis) -> None:
    report = OnlineWriter(client, "p", PLANS).apply([], [], 0, events_of(KINDS, []))
    assert (report.events, report.rows) == (0, 0)


def test_no_views() -> None:
    with pytest.raises(ValueError, match="at least one plan"):
        OnlineWriter(redis.Redis(), "p", [])


def test_no_server(tmp_path: Any) -> None:
    client = redis.Redis(unix_socket_path=str(tmp_path / "none.sock"), retry=None)
    with pytest.raises(StoreUnavailable, match="rapport status"):
        deliver(OnlineWriter(client, "p", PLANS), KINDS, some_events(3))


def test_the_fence_writes_all_views_of_a_customer_or_none(client: redis.Redis) -> None:
    store = RowStore(client, "p", ["orders", "recent"])
    deliver(OnlineWriter(client, "p", PLANS), KINDS, [("c1", ("e", NOW, {"amount": 1}))])
    loaded = stored(client, "c1")
    deliver(OnlineWriter(client, "p", PLANS[1:]), KINDS, [("c1", ("f", NOW, {})), ("c1", ("g", NOW, {}))])
    before = client.hgetall(KeyMaker("p").key("c1"))
    with store.session() as session:
        keys = store.keys.keys(["c1"])
        session.write(keys, np.arange(1), pack(loaded), pack([loaded[0], None]))
        assert session.refused(keys) == [0]
    assert client.hgetall(KeyMaker("p").key("c1")) == before


def test_the_fence_writes_a_single_view(client: redis.Redis) -> None:
    """A row of one view may be damaged, or have seen what another has not."""
    store = RowStore(client, "p", ["orders", "recent"])
    deliver(OnlineWriter(client, "p", PLANS), KINDS, [("c1", ("e", NOW, {"amount": 1}))])
    loaded = stored(client, "c1")
    with store.session() as session:
        keys = store.keys.keys(["c1", "nobody"])
        session.ask(keys, np.arange(2))
        numbers, values = session.receive(keys)
        assert sorted(numbers.tolist()) == [0, 1]
        assert {values.get(i) for i in range(4)} == {*loaded, b""}
        old = pack([*loaded, None, None])
        session.write(keys, np.arange(2), old, pack([None, None, loaded[1], loaded[1]]))
        assert session.refused(keys) == []
    assert stored(client, "c1") == loaded
    assert stored(client, "nobody") == [None, loaded[1]]
