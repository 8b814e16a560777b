"""Rapport's online store as any Feast client sees it: clock, statuses, ttl, pushes, refusals, deletion."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
import redis
from feast import FeatureStore, FeatureView, Field, FileSource, PushSource, StreamFeatureView
from feast.aggregation import Aggregation as FeastAggregation
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.types import Float64, Int64, String

from rapport.clock import WORLD_CLOCK_KEY, WorldClock, from_us
from rapport.embedded import EmbeddedRedis
from rapport.errors import DeclarationError, StoreError, StoreUnavailable
from rapport.online import OnlineWriter
from rapport.online.keys import KeyMaker
from rapport.testing.feeding import deliver
from rapport.testing.repository import customer, feast_view, make_store, source_of
from rapport.windows import Aggregation, Kind, View, compile_view

NOW = 1_700_000_000_000_000
SECOND = 1_000_000
KINDS = {"amount": Kind.FLOAT, "item": Kind.STRING}
ORDERS = View(
    "orders",
    KINDS,
    (
        Aggregation("n_5m", "count", "", 300 * SECOND, 60 * SECOND),
        Aggregation("last_item", "last", "item", None, None),
        Aggregation("spread", "std", "amount", None, None),
    ),
    ttl_us=3_600 * SECOND,
)
WINDOWED = ["orders:n_5m", "orders:last_item", "orders:spread"]
PROFILE = ["profile:tier", "profile:score"]


def declarations() -> list[Any]:
    entity, source = customer(), source_of("orders", KINDS)
    archive = FileSource(name="profile_archive", path="profile.parquet", timestamp_field="event_time")
    push = PushSource(name="profile_push", batch_source=archive)
    profile = FeatureView(
        name="profile",
        entities=[entity],
        source=push,
        ttl=timedelta(days=1),
        schema=[Field(name="tier", dtype=String), Field(name="score", dtype=Float64)],
    )
    return [entity, source, push, profile, feast_view(ORDERS, source, entity)]


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path, redis_url: str, client: redis.Redis) -> FeatureStore:
    stand_at(client, NOW)
    return make_store(tmp_path, redis_url, declarations())


def stand_at(client: redis.Redis, time_us: int) -> None:
    client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, time_us, 0.0)))


def feed(client: redis.Redis, *events: tuple[str, int, dict[str, Any]], project: str = "rapport") -> None:
    numbered = [(who, (str(n), time_us, values)) for n, (who, time_us, values) in enumerate(events)]
    deliver(OnlineWriter(client, project, [compile_view(ORDERS)]), KINDS, numbered)


def push(store: FeatureStore, *rows: tuple[str, int, str | None, float | None]) -> None:
    ids, times, tiers, scores = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {"customer_id": ids, "event_time": [from_us(time) for time in times], "tier": tiers, "score": scores}
    )
    store.push("profile_push", frame)


def read(store: FeatureStore, features: Any, *customers: str) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
    """Values and statuses by feature."""
    return unpack(store.get_online_features(features, [{"customer_id": each} for each in customers]))


def unpack(response: Any) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
    names = response.proto.metadata.feature_names.val
    statuses = [[FieldStatus.Name(code) for code in vector.statuses] for vector in response.proto.results]
    return response.to_dict(), dict(zip(names, statuses, strict=True))


def test_windows_empty_as_the_clock_moves(store: FeatureStore, client: redis.Redis) -> None:
    feed(client, ("c1", NOW - SECOND, {"amount": 1.0, "item": "ä"}), ("c1", NOW, {"amount": 2.0}))
    seen = []
    for later_s in (0, 299, 361, 3_600, 3_601):
        stand_at(client, NOW + later_s * SECOND)
        values, statuses = read(store, WINDOWED, "c1")
        seen.append((values["n_5m"][0], values["last_item"][0], statuses["n_5m"][0]))
    assert seen == [
        (2, "ä", "PRESENT"),
        (2, "ä", "PRESENT"),
        (0, "ä", "PRESENT"),
        (0, "ä", "PRESENT"),
        (None, None, "OUTSIDE_MAX_AGE"),
    ]


def test_without_a_world_clock_now_is_the_systems_time(store: FeatureStore, client: redis.Redis) -> None:
    client.delete(WORLD_CLOCK_KEY)
    now_us = int(datetime.now(UTC).timestamp() * SECOND)
    feed(client, ("c1", now_us, {}), ("c2", NOW, {}))
    assert read(store, WINDOWED, "c1", "c2")[1]["n_5m"] == ["PRESENT", "OUTSIDE_MAX_AGE"]


def test_null_missing_and_expired_are_told_apart(store: FeatureStore, client: redis.Redis) -> None:
    feed(client, ("new", NOW, {"amount": 1.0}), ("old", NOW - 7_200 * SECOND, {"item": "x"}))
    push(store, ("new", NOW, "gold", None), ("old", NOW - 90_000 * SECOND, "tin", 1.0))
    values, statuses = read(store, WINDOWED + PROFILE, "new", "old", "nobody", "new")
    assert values["n_5m"] == [1, None, None, 1]
    assert values["tier"] == ["gold", None, None, "gold"]
    assert statuses["n_5m"] == ["PRESENT", "OUTSIDE_MAX_AGE", "NOT_FOUND", "PRESENT"]
    assert statuses["last_item"] == ["NULL_VALUE", "OUTSIDE_MAX_AGE", "NOT_FOUND", "NULL_VALUE"]
    assert statuses["score"] == statuses["last_item"]
    assert set(values) == {"customer_id", "n_5m", "last_item", "spread", "tier", "score"}


def test_event_times_travel_along(store: FeatureStore, client: redis.Redis) -> None:
    feed(client, ("c1", NOW - 5 * SECOND, {}))
    response = store.get_online_features(WINDOWED, [{"customer_id": "c1"}], full_feature_names=True)
    vector = dict(zip(response.proto.metadata.feature_names.val, response.proto.results, strict=True))["orders__n_5m"]
    assert vector.event_timestamps[0].ToMicroseconds() == NOW - 5 * SECOND


def test_async_is_the_same(store: FeatureStore, client: redis.Redis) -> None:
    feed(client, ("c1", NOW, {"item": "x"}))
    push(store, ("c1", NOW, "gold", 0.5))

    async def read_async() -> Any:
        rows = [{"customer_id": "c1"}, {"customer_id": "c2"}]
        response = await store.get_online_features_async(WINDOWED + PROFILE, rows)
        await store._get_provider().online_store._client_async.aclose()
        return response

    assert unpack(asyncio.run(read_async())) == read(store, WINDOWED + PROFILE, "c1", "c2")


def test_online_read_tells_the_same(store: FeatureStore, client: redis.Redis) -> None:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    feed(client, ("c1", NOW, {"item": "x"}))
    keys = [EntityKey(join_keys=["customer_id"], entity_values=[Value(string_val=who)]) for who in ("c1", "c2")]
    view = store.get_stream_feature_view("orders")
    known, unknown = store._get_provider().online_store.online_read(store.config, view, keys, ["last_item"])
    assert known == (from_us(NOW), {"last_item": Value(string_val="x")})
    assert unknown == (None, None)


def test_a_damaged_row_spares_the_others(store: FeatureStore, client: Any) -> None:
    feed(client, ("c1", NOW, {}), ("c2", NOW, {}))
    key = KeyMaker("rapport").key("c1")
    for field, value in client.hgetall(key).items():
        client.hset(key, field, value[:-1] if len(field) == 4 else value)
    assert read(store, WINDOWED, "c1", "c2")[1]["n_5m"] == ["NOT_FOUND", "PRESENT"]


def test_windowed_values_cannot_be_written(store: FeatureStore) -> None:
    frame = pd.DataFrame(
        {"customer_id": ["c1"], "event_time": [from_us(NOW)], "n_5m": [1], "last_item": ["x"], "spread": [1.0]}
    )
    with pytest.raises(StoreError, match="computed from the events of topic 'orders'"):
        store.write_to_online_store("orders", frame)


def test_a_changed_view_is_planned_anew(store: FeatureStore, client: redis.Redis) -> None:
    feed(client, ("c1", NOW, {"item": "x"}))
    assert read(store, WINDOWED, "c1")[0]["n_5m"] == [1]
    changed = View("orders", KINDS, (Aggregation("items", "count_distinct", "item", None, None),))
    entity, source = customer(), source_of("orders", KINDS)
    store.apply([entity, source, feast_view(changed, source, entity)])
    assert read(store, ["orders:items"], "c1")[1]["items"] == ["NULL_VALUE"]


def windowed(**changes: Any) -> StreamFeatureView:
    source = source_of("orders", KINDS)
    options: dict[str, Any] = {
        "name": "mine",
        "entities": [customer()],
        "source": source,
        "timestamp_field": "event_time",
        "aggregations": [
            FeastAggregation(
                name="n", function="count", time_window=timedelta(minutes=5), slide_interval=timedelta(minutes=1)
            )
        ],
        "schema": [Field(name="n", dtype=Int64)],
    }
    return StreamFeatureView(**{**options, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aggregations": [FeastAggregation(name="n", function="median", column="amount")]}, "choose from count, sum"),
        ({"aggregations": [FeastAggregation(name="n", function="sum", column="price")]}, "the source has amount, item"),
        (
            {
                "aggregations": [
                    FeastAggregation(
                        name="n",
                        function="count",
                        time_window=timedelta(minutes=5),
                        slide_interval=timedelta(minutes=4),
                    )
                ]
            },
            "must divide the window",
        ),
        ({"schema": [Field(name="n", dtype=Float64)]}, "the type Int64"),
        ({"schema": [Field(name="n", dtype=Int64), Field(name="m", dtype=Int64)]}, "fields m of its schema"),
    ],
)
def test_apply_refuses_what_cannot_be_computed(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    # The server of this address does not exist: applying needs none.
    store = make_store(tmp_path, "unix:///nowhere.sock")
    view = windowed(**changes)
    with pytest.raises(DeclarationError, match=message):
        store.apply([customer(), view.stream_source, view])
    assert store.list_stream_feature_views() == []


def test_apply_refuses_another_entity(tmp_path: Path) -> None:
    from feast import Entity, ValueType

    order = Entity(name="order", join_keys=["order_id"], value_type=ValueType.STRING)
    view = windowed(entities=[order])
    with pytest.raises(DeclarationError, match="keyed by order_id; events are keyed by customer"):
        make_store(tmp_path, "unix:///nowhere.sock").apply([order, view.stream_source, view])


def test_deleting_spares_projects_whose_name_ends_alike(
    tmp_path: Path, redis_url: str, store: FeatureStore, client: redis.Redis
) -> None:
    other = make_store(tmp_path / "other", redis_url, declarations(), project="not_rapport")
    for each in (store, other):
        feed(client, ("c1", NOW, {}), ("c*", NOW, {}), project=each.project)
        push(each, ("c1", NOW, "gold", 1.0))
    mine = store._get_provider().online_store
    mine.delete_table(store.config, store.get_stream_feature_view("orders"))
    values, statuses = read(store, WINDOWED + PROFILE, "c1", "c*")
    assert (statuses["n_5m"], values["tier"]) == (["NOT_FOUND"] * 2, ["gold", None])
    assert mine.delete_customer(store.config, "c1")
    assert read(store, PROFILE, "c1")[1]["tier"] == ["NOT_FOUND"]
    store.teardown()
    values, statuses = read(other, WINDOWED + PROFILE, "c1", "c*")
    assert (values["n_5m"], values["tier"]) == ([1, 1], ["gold", None])


def test_dropping_a_view_deletes_its_rows(store: FeatureStore, client: Any) -> None:
    feed(client, ("c1", NOW, {}))
    push(store, ("c1", NOW, "gold", 1.0))
    store.apply([], objects_to_delete=[store.get_stream_feature_view("orders")], partial=False)
    key = KeyMaker("rapport").key("c1")
    assert sorted(field for field in client.hkeys(key) if len(field) != 4) == [b"_ts:profile"]


def test_the_default_connection_is_the_installations_redis(
    tmp_path: Path, redis_url: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_at(client, NOW)
    monkeypatch.setenv("RAPPORT_REDIS_URL", redis_url)
    store = make_store(tmp_path, "", declarations())
    feed(client, ("c1", NOW, {}))
    assert read(store, WINDOWED, "c1")[0]["n_5m"] == [1]


def test_a_frozen_server_is_noticed_in_time(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis", durable=False)
    store = make_store(tmp_path, server.start(), declarations())
    read(store, WINDOWED, "c1")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        started = datetime.now(UTC)
        with pytest.raises(StoreUnavailable, match="reading features"):
            read(store, WINDOWED, "c1")
        assert datetime.now(UTC) - started < timedelta(seconds=1)
    finally:
        os.kill(server.pid, signal.SIGCONT)
        store._get_provider().online_store._client.close()
        server.stop()


def test_a_broken_world_clock_is_an_error(store: FeatureStore, client: redis.Redis) -> None:
    client.set(WORLD_CLOCK_KEY, b"noon")
    with pytest.raises(StoreError, match="delete the key"):
        read(store, WINDOWED, "c1")
