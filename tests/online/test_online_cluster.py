"""The online store on a real Redis Cluster of three nodes."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from redis.crc import key_slot

from rapport.errors import SettingsError, StoreUnavailable
from rapport.online import MISSING, OnlineReader, OnlineWriter, WindowedView, connect, connect_async, delete_customer
from rapport.online.cluster_url import parse_cluster_url
from rapport.online.deletion import scan_keys
from rapport.online.keys import JOIN_KEY, KeyMaker
from rapport.online.packed import pack
from rapport.online.routing import slots_of
from rapport.settings import Settings, load_settings
from rapport.testing.feeding import CustomerEvent, deliver
from rapport.testing.oracle import oracle
from rapport.testing.redis_cluster import RedisCluster, redis_cluster
from rapport.windows import Aggregation, Kind, View, compile_view

NOW = 1_700_000_000_000_000
MINUTE = 60_000_000
KINDS = {"amount": Kind.INT, "item": Kind.STRING}
ORDERS = View(
    "orders",
    KINDS,
    (
        Aggregation("n_5m", "count", "", 5 * MINUTE, MINUTE),
        Aggregation("total", "sum", "amount", None, None),
        Aggregation("last_item", "last", "item", None, None),
    ),
)
RECENT = View("recent", KINDS, (Aggregation("most_10m", "max", "amount", 10 * MINUTE, MINUTE),))
PLANS = [compile_view(ORDERS), compile_view(RECENT)]
READ = [WindowedView(plan, plan.names) for plan in PLANS]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture
def settings(cluster: RedisCluster, tmp_path: Any) -> Settings:
    for node in cluster.nodes:
        node.flushall()
        node.script_flush()
    return Settings(root=tmp_path, data_dir=tmp_path, store_url=cluster.url, redis_timeout_ms=5_000)


@pytest.fixture
def client(settings: Settings) -> Iterator[Any]:
    with connect(settings, timeout_s=10) as client:
        yield client


def some_events(count: int, customers: int, seed: int = 1) -> list[CustomerEvent]:
    rng = random.Random(seed)
    return [
        (
            f"c{rng.randrange(customers)}",
            (
                f"e{number}",
                NOW - rng.randrange(20 * MINUTE),
                {"amount": rng.choice([None, rng.randrange(1000)]), "item": rng.choice([None, "ä", "b"])},
            ),
        )
        for number in range(count)
    ]


def check(client: Any, events: list[CustomerEvent]) -> None:
    by_customer: dict[str, list[Any]] = {"nobody": []}
    for customer, event in events:
        by_customer.setdefault(customer, []).append(event)
    rows = OnlineReader("p", READ, client=client).read([*by_customer], NOW)
    for at, mine in enumerate(by_customer.values()):
        row: dict[str, Any] = {}
        for view in (ORDERS, RECENT):
            status, features = oracle(view, mine, NOW)
            assert rows.status[view.name][at] == status
            row |= {f"{view.name}__{name}": value for name, value in features.items()}
        assert rows.row(at) == pytest.approx(row)


def in_batches(count: int, size: int) -> list[slice]:
    return [slice(at, at + size) for at in range(0, count, size)]


def test_thousands_of_customers_over_all_nodes(client: Any, cluster: RedisCluster) -> None:
    events = some_events(8_000, customers=3_000)
    writer = OnlineWriter(client, "p", PLANS, cache_rows=500)
    reports = deliver(writer, KINDS, events, batches=[*in_batches(8_000, 1_500), slice(3_000, 6_000)])
    assert sum(report.applied for report in reports) == 16_000
    assert reports[-1].replayed == 6_000
    check(client, events)
    assert min(node.dbsize() for node in cluster.nodes) > 500


def test_two_writers_on_one_partition_count_once(settings: Settings, client: Any) -> None:
    events = some_events(2_000, customers=60)
    batches = in_batches(2_000, 100)
    reports: list[Any] = []

    def work() -> None:
        with connect(settings, timeout_s=10) as mine:
            reports.extend(deliver(OnlineWriter(mine, "p", PLANS), KINDS, events, batches=batches))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(report.applied for report in reports), sum(report.replayed for report in reports)) == (4_000, 4_000)
    check(client, events)


def test_a_slot_moves_while_its_rows_are_written(client: Any, cluster: RedisCluster) -> None:
    """Half of its keys gone: the source answers ASK for them; then MOVED for all."""
    slot = key_slot(KeyMaker("p").key("c1"))
    ours = ["c1", *(f"c{n}" for n in range(2, 200_000) if key_slot(KeyMaker("p").key(f"c{n}")) == slot)]
    others = [f"d{number}" for number in range(50)]
    rng = random.Random(3)
    events: list[CustomerEvent] = [
        (rng.choice(ours + others), (f"e{number}", NOW - number, {"amount": number, "item": None}))
        for number in range(600)
    ]
    writer = OnlineWriter(client, "p", PLANS, cache_rows=8)
    source = cluster.owner(slot)
    target = (source + 1) % 3
    deliver(writer, KINDS, events, batches=[slice(0, 200)])
    with cluster.moving(slot, source, target) as moved:
        assert 0 < len(moved) < len(ours)
        deliver(writer, KINDS, events, batches=[slice(0, 300), slice(300, 400)])
        check(client, events[:400])
    deliver(writer, KINDS, events, batches=[slice(300, 500), slice(500, 600)])
    check(client, events)
    assert cluster.owner(slot) == target
    assert len(cluster.nodes[target].execute_command("CLUSTER GETKEYSINSLOT", slot, 1_000)) == len(ours)


def test_forgotten_scripts_are_sent_again(client: Any, cluster: RedisCluster) -> None:
    events = some_events(200, customers=40)
    writer = OnlineWriter(client, "p", PLANS)
    deliver(writer, KINDS, events, batches=[slice(0, 100)])
    for node in cluster.nodes:
        node.script_flush()
    deliver(writer, KINDS, events, batches=[slice(100, 200)])
    check(client, events)


def test_async_reads(settings: Settings, client: Any) -> None:
    events = some_events(300, customers=50)
    deliver(OnlineWriter(client, "p", PLANS), KINDS, events)
    ids = [f"c{number}" for number in range(60)]

    async def read(some: list[str]) -> Any:
        reader = OnlineReader("p", READ, async_client=connect_async(settings))
        try:
            return await reader.read_async(some, NOW)
        finally:
            await reader.close_async()

    expected = OnlineReader("p", READ, client=client).read(ids, NOW)
    for some in (ids, ids[:1]):
        found = asyncio.run(read(some))
        assert [found.row(at) for at in range(len(some))] == [expected.row(at) for at in range(len(some))]


def test_deleting_one_and_finding_all(client: Any) -> None:
    events = some_events(900, customers=300)
    deliver(OnlineWriter(client, "p", PLANS), KINDS, events)
    deliver(OnlineWriter(client, "another_p", PLANS), KINDS, events[:90])
    keys = [key for batch in scan_keys(client, "p", [JOIN_KEY]) for key in batch]
    one = events[0][0]
    assert sorted(keys) == sorted({KeyMaker("p").key(customer) for customer, _ in events})
    assert delete_customer(client, "p", one)
    assert OnlineReader("p", READ, client=client).read([one], NOW).status["orders"] == (MISSING,)


@pytest.mark.parametrize("names", [["c1", "{tag}x", "a{}b", "}{", "{{x}}", "ü{ä}"]])
def test_slots_are_those_of_redis(names: list[str]) -> None:
    keys = [KeyMaker("p").key(name) for name in names] + [name.encode() for name in names]
    assert slots_of(pack(keys), np.arange(len(keys))).tolist() == [key_slot(key) for key in keys]


def test_a_cluster_that_is_not_there(settings: Settings) -> None:
    with pytest.raises(StoreUnavailable, match="RAPPORT_STORE_URL"):
        connect(replace(settings, store_url="redis+cluster://127.0.0.1:1,127.0.0.1:2", redis_timeout_ms=50))


def test_addresses(tmp_path: Any) -> None:
    nodes, options = parse_cluster_url("rediss+cluster://me:s%40crt@a:1,[::1]:2?socket_timeout=3")
    assert nodes == [("a", 1), ("::1", 2)]
    assert options == {"username": "me", "password": "s@crt", "socket_timeout": 3.0, "ssl": True}
    for url in ("redis+cluster://a", "redis+cluster://a:1,b", "redis+cluster://:secret@"):
        with pytest.raises(SettingsError, match="is not a node of a cluster") as caught:
            parse_cluster_url(url)
        assert "secret" not in str(caught.value)
    with pytest.raises(SettingsError, match="the bus needs one server"):
        load_settings({"RAPPORT_REDIS_URL": "redis+cluster://a:1"}, root=tmp_path)
