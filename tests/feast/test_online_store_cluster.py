"""Feast's own calls over Rapport's online store on a real Redis Cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from feast import FeatureStore, FeatureView, Field, FileSource, PushSource
from feast.types import String

from rapport.clock import WORLD_CLOCK_KEY, WorldClock, from_us
from rapport.online import OnlineWriter, connect
from rapport.settings import Settings
from rapport.testing.feeding import CustomerEvent, deliver
from rapport.testing.redis_cluster import RedisCluster, redis_cluster
from rapport.testing.repository import customer, feast_view, make_store, source_of
from rapport.windows import Aggregation, Kind, View, compile_view

NOW = 1_700_000_000_000_000
KINDS = {"amount": Kind.INT}
ORDERS = View("orders", KINDS, (Aggregation("total", "sum", "amount", None, None),))
FEATURES = ["orders:total", "profile:tier"]
IDS = [f"c{number}" for number in range(40)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture
def client(cluster: RedisCluster, tmp_path: Path) -> Iterator[Any]:
    for node in cluster.nodes:
        node.flushall()
    with connect(Settings(root=tmp_path, data_dir=tmp_path, store_url=cluster.url), timeout_s=5) as client:
        yield client


@pytest.fixture
def store(cluster: RedisCluster, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    monkeypatch.setenv("RAPPORT_REDIS_TIMEOUT_MS", "5000")
    client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, NOW, 0.0)))
    entity, source = customer(), source_of("orders", KINDS)
    archive = FileSource(name="profile_archive", path="profile.parquet", timestamp_field="event_time")
    push = PushSource(name="profile_push", batch_source=archive)
    profile = FeatureView(
        name="profile",
        entities=[entity],
        source=push,
        ttl=timedelta(days=1),
        schema=[Field(name="tier", dtype=String)],
    )
    return make_store(tmp_path, cluster.url, [entity, source, push, profile, feast_view(ORDERS, source, entity)])


def fill(store: FeatureStore, client: Any) -> None:
    events: list[CustomerEvent] = [
        (one, (f"{one} {n}", NOW, {"amount": n})) for n, one in enumerate(IDS[:30]) for _ in range(2)
    ]
    deliver(OnlineWriter(client, store.project, [compile_view(ORDERS)]), KINDS, events)
    times = [from_us(NOW)] * len(IDS[10:])
    store.push("profile_push", pd.DataFrame({"customer_id": IDS[10:], "event_time": times, "tier": "gold"}))


def rows() -> list[dict[str, Any]]:
    return [{"customer_id": one} for one in IDS]


def read(store: FeatureStore) -> tuple[list[Any], list[Any]]:
    values = store.get_online_features(FEATURES, rows()).to_dict()
    return values["total"], values["tier"]


EXPECTED = ([2 * n for n in range(30)] + [None] * 10, [None] * 10 + ["gold"] * 30)


def test_values_of_windowed_and_plain_views(store: FeatureStore, client: Any) -> None:
    fill(store, client)
    assert read(store) == EXPECTED

    async def read_async() -> Any:
        response = await store.get_online_features_async(FEATURES, rows())
        await store._get_provider().online_store._client_async.aclose()
        return response.to_dict()

    values = asyncio.run(read_async())
    assert (values["total"], values["tier"]) == EXPECTED


def test_feasts_own_form_of_the_address(store: FeatureStore, client: Any, cluster: RedisCluster) -> None:
    fill(store, client)
    password = cluster.url.partition("//:")[2].partition("@")[0]
    nodes = ",".join(f"127.0.0.1:{port}" for port in cluster.ports)
    store.config.online_store.redis_type = "redis_cluster"
    store.config.online_store.connection_string = f"{nodes},password={password}"
    assert read(FeatureStore(config=store.config)) == EXPECTED


def test_deleting_a_customer_a_view_and_everybody(store: FeatureStore, client: Any) -> None:
    fill(store, client)
    online: Any = store._get_provider().online_store
    assert online.delete_customer(store.config, "c12")
    assert read(store)[0][11:14] == [22, None, 26]
    online.delete_table(store.config, store.get_feature_view("profile"))
    assert read(store) == ([*EXPECTED[0][:12], None, *EXPECTED[0][13:]], [None] * 40)
    client.set("of another", "1")
    store.teardown()
    assert sorted(client.scan_iter()) == [b"of another", WORLD_CLOCK_KEY.encode()]
