"""The contract of a read: plain views as stock Feast has them, windowed ones as the oracle, by every way of reading."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import redis
import redis.asyncio
from feast import FeatureService, FeatureStore, FeatureView, Field, PushSource, RepoConfig
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.types import Bool, Float64, Int64, String

from rapport.bus.protocol import Position
from rapport.clock import WORLD_CLOCK_KEY, WorldClock, from_us
from rapport.feast.catalog import service_projections, views_of_service
from rapport.online import OnlineReader, OnlineWriter
from rapport.testing.feeding import CustomerEvent, deliver
from rapport.testing.histories import generate
from rapport.testing.oracle import oracle
from rapport.testing.repository import customer, feast_view, make_store, source_of
from rapport.windows import FUNCTIONS, Aggregation, Events, Kind, View, column_of, compile_view

NOW = 1_700_000_000_000_000
SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
KINDS = {"amount": Kind.FLOAT, "cents": Kind.INT, "item": Kind.STRING, "gift": Kind.BOOL}
COUNTS = (1, 10, 100, 500)
COLUMNS = {"tier": String, "score": Float64, "visits": Int64, "consent": Bool}


def _every_function(window_us: int | None, slide_us: int | None) -> Iterator[Aggregation]:
    for column, kind in KINDS.items():
        for function, kinds in FUNCTIONS.items():
            if kind in kinds:
                yield Aggregation(f"{function}_{column}", function, column, window_us, slide_us)


VIEWS = [
    View("always", KINDS, tuple(_every_function(None, None))),
    View("lately", KINDS, tuple(_every_function(2 * HOUR, 600 * SECOND)), ttl_us=DAY),
]


class Place:
    """Two repositories over one Redis: Rapport's store, and Feast's own under the same project."""

    def __init__(self, folder: Path, url: str) -> None:
        self.client = redis.Redis.from_url(url)
        self.url = url
        self.client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, NOW, 0.0)))
        entity, source = customer(), source_of("happenings", KINDS)
        windowed = [feast_view(view, source, entity) for view in VIEWS]
        profile = FeatureView(
            name="profile",
            entities=[entity],
            source=PushSource(name="profile_push", batch_source=source.batch_source),
            ttl=timedelta(0),
            schema=[Field(name=name, dtype=dtype) for name, dtype in COLUMNS.items()],
        )
        everything = FeatureService(name="everything", features=[windowed[0], profile, windowed[1]])
        plain = FeatureService(name="plain", features=[profile])
        self.ours = make_store(folder / "ours", url, [entity, source, *windowed, profile, everything, plain])
        self.stock = _stock(folder / "stock", self.client, [entity, profile, plain])

    def close(self) -> None:
        self.client.close()
        for store in (self.ours, self.stock):
            client = store._get_provider().online_store._client
            if client is not None:
                client.close()


def _stock(folder: Path, client: Any, objects: Sequence[Any]) -> FeatureStore:
    folder.mkdir()
    kwargs = client.connection_pool.connection_kwargs
    store = FeatureStore(
        config=RepoConfig(
            project="rapport",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={
                "type": "redis",
                "connection_string": f"localhost:6379,unix_socket_path={kwargs['path']},password={kwargs['password']}",
            },
            entity_key_serialization_version=3,
        )
    )
    store.apply(list(objects))
    return store


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here is the answers, not how soon a busy machine gives them."""
    monkeypatch.setenv("RAPPORT_REDIS_TIMEOUT_MS", "10000")


@pytest.fixture
def place(tmp_path: Path, redis_url: str) -> Iterator[Place]:
    place = Place(tmp_path, redis_url)
    yield place
    place.close()


def _who(count: int) -> list[str]:
    return [f"customer {number} ü" for number in range(count)]


def _profiles(rng: random.Random, people: Sequence[str]) -> pd.DataFrame:
    def maybe(value: Any) -> Any:
        return None if rng.random() < 0.2 else value

    rows = [
        {
            "customer_id": who,
            "event_time": from_us(NOW - rng.randrange(DAY)),
            "tier": maybe(rng.choice(("gold", "", "ä"))),
            "score": maybe(rng.random() - 0.5),
            "visits": maybe(rng.randrange(-(2**53), 2**53)),
            "consent": maybe(rng.random() < 0.5),
        }
        for who in people
        if rng.random() < 0.8
    ]
    frame = pd.DataFrame(rows)
    return frame.astype({"tier": "string", "score": "Float64", "visits": "Int64", "consent": "boolean"})


def _read(store: FeatureStore, service: str, people: Sequence[str], *, full: bool = True, sync: bool = True) -> Any:
    rows = [{"customer_id": who} for who in people]
    features = store.get_feature_service(service)
    if sync:
        return store.get_online_features(features, rows, full_feature_names=full)

    async def read() -> Any:
        try:
            return await store.get_online_features_async(features, rows, full_feature_names=full)
        finally:
            online = store._get_provider().online_store
            await store.close()
            # Feast's own store leaves its asyncio client open.
            await online._client_async.aclose()
            online._client_async = None

    return asyncio.run(read())


def _columns(response: Any) -> dict[str, list[tuple[Any, int]]]:
    """Per feature, n times the value and its time in microseconds."""
    proto = response.proto
    return {
        name: [
            (value, time.ToMicroseconds()) for value, time in zip(vector.values, vector.event_timestamps, strict=True)
        ]
        for name, vector in zip(proto.metadata.feature_names.val, proto.results, strict=True)
    }


@pytest.mark.parametrize("writer", ["ours", "stock"])
def test_plain_views_are_those_of_stock_feast(place: Place, writer: str) -> None:
    rng = random.Random(writer)
    frame = _profiles(rng, _who(500))
    getattr(place, writer).write_to_online_store("profile", frame)
    for count in COUNTS:
        # In another order than Feast's, and one of them twice.
        people = [*rng.sample(_who(510), count), _who(1)[0]]
        for full in (False, True):
            theirs = _columns(_read(place.stock, "plain", people, full=full))
            assert len(theirs) == 1 + len(COLUMNS)
            assert _columns(_read(place.ours, "plain", people, full=full)) == theirs
        assert _columns(_read(place.stock, "plain", people, sync=False)) == theirs
        assert _columns(_read(place.ours, "plain", people, sync=False)) == theirs


def test_every_way_of_reading_is_the_oracle(place: Place) -> None:
    rng = random.Random(5)
    # Of 500 customers some have no events at all, some old ones only.
    events = generate(VIEWS[1], KINDS, rng, customers=400, events=3_000, until_us=NOW)
    events += [(f"old {n}", (f"old {n}", NOW - DAY - 1 - n, {**dict.fromkeys(KINDS), "cents": n})) for n in range(20)]
    deliver(OnlineWriter(place.client, "rapport", [compile_view(view) for view in VIEWS]), KINDS, events)
    place.ours.write_to_online_store("profile", _profiles(rng, _who(500)))
    truth = _truth(events)
    for count in COUNTS:
        people = [*rng.sample([*_who(480), *(f"old {n}" for n in range(20))], count), _who(1)[0]]
        response = _read(place.ours, "everything", people)
        _check_response(response, people, truth)
        assert _read(place.ours, "everything", people, sync=False).proto == response.proto
        _check_rows(place, people, response)


def test_decimals_stay_exact(tmp_path: Path, redis_url: str) -> None:
    functions = ("sum", "last", "mean")
    view = View(
        "money",
        {"price": Kind.DECIMAL},
        tuple(Aggregation(function, function, "price", None, None) for function in functions),
        scales={"price": 2},
    )
    entity, source = customer(), source_of("sales", view.kinds, view.scales)
    store = make_store(tmp_path, redis_url, [entity, source, feast_view(view, source, entity)])
    with redis.Redis.from_url(redis_url) as client:
        writer = OnlineWriter(client, "rapport", [compile_view(view)])
        for number, price in enumerate(("0.10", "90071992547409.93"), start=1):
            events = Events(np.array([NOW], np.int64), {"price": column_of(Kind.DECIMAL, [Decimal(price)], 2)})
            writer.apply(["c1"], [Position(number, 0)], 0, events)
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, NOW, 0.0)))
        values = store.get_online_features([f"money:{f}" for f in functions], [{"customer_id": "c1"}]).to_dict()
    assert (values["sum"], values["last"]) == ([Decimal("90071992547410.03")], [Decimal("90071992547409.93")])
    assert values["mean"] == [pytest.approx(45_035_996_273_705.015)]


def _truth(events: Sequence[CustomerEvent]) -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
    mine: dict[str, list[Any]] = {}
    for who, event in events:
        mine.setdefault(who, []).append(event)
    everybody = {*mine, *_who(500)}
    return {(view.name, who): oracle(view, mine.get(who, []), NOW) for view in VIEWS for who in everybody}


def _check_response(response: Any, people: Sequence[str], truth: Any) -> None:
    values, proto = response.to_dict(), response.proto
    vectors = dict(zip(proto.metadata.feature_names.val, proto.results, strict=True))
    assert values["customer_id"] == list(people)
    for view in VIEWS:
        for a in view.aggregations:
            name = f"{view.name}__{a.name}"
            expected = [truth[view.name, who] for who in people]
            for got, (_, features) in zip(values[name], expected, strict=True):
                assert got == features[a.name] or got == pytest.approx(features[a.name], rel=1e-9, abs=1e-9), name
            codes = [_code(status, features[a.name]) for status, features in expected]
            assert [FieldStatus.Name(code) for code in vectors[name].statuses] == codes, name


def _code(status: str, value: Any) -> str:
    if status == "present":
        return "NULL_VALUE" if value is None else "PRESENT"
    return {"missing": "NOT_FOUND", "expired": "OUTSIDE_MAX_AGE"}[status]


def _check_rows(place: Place, people: Sequence[str], response: Any) -> None:
    """An OnlineReader says the same as the response, blocking and not."""
    views = views_of_service(service_projections(place.ours, "everything"))

    async def read() -> Any:
        reader = OnlineReader("rapport", views, async_client=redis.asyncio.Redis.from_url(place.url))
        try:
            return await reader.read_async(people, NOW)
        finally:
            await reader.close_async()

    rows, others = OnlineReader("rapport", views, client=place.client).read(people, NOW), asyncio.run(read())
    assert np.array_equal(rows.vector, others.vector, equal_nan=True)
    for attribute in ("names", "kinds", "strings", "status", "damaged"):
        assert getattr(rows, attribute) == getattr(others, attribute)
    values = response.to_dict()
    assert [rows.row(at) for at in range(len(people))] == [
        {name: values[name][at] for name in rows.names} for at in range(len(people))
    ]
    for view, name in (
        ("always", "always__count_item"),
        ("profile", "profile__tier"),
        ("lately", "lately__count_item"),
    ):
        times = [time for _, time in _columns(response)[name]]
        assert rows.newest_us[view].tolist() == times
        assert set(rows.status[view]) <= {"present", "missing", "expired"}
        assert [status == "missing" for status in rows.status[view]] == [time == 0 for time in times]
