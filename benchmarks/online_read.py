"""Reading 30 features of 5 views, against a bare HMGET of the same bytes and against Feast's own Redis store.

One service over five of feature_repo's views and five topics. Feast's store holds the same features as plain values,
computed beforehand, on the same server. What is compared runs by turns, a few calls each, so that both meet the same
moments of the machine.
"""

from __future__ import annotations

import asyncio
import statistics
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from feast import FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig

from benchmarks.frame import Measurement, compared, spread
from benchmarks.online_world import NOW_US, World, fill, world
from feature_repo import views as declared
from feature_repo.entities import customer
from rapport.clock import from_us
from rapport.feast.catalog import plans_by_topic, service_projections, views_of_service
from rapport.online import OnlineReader, WindowedView
from rapport.online.keys import KeyMaker

__all__ = ["measure"]

SERVICE = "thirty"
CUSTOMERS = 500
COUNTS = (1, 10, 100, 500)
EVENTS = 15
"""Of each customer and topic."""
TURN = 5
"""Calls of one contender before the next has its turn; one more comes before them and does not count."""

Call = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class _Place:
    """What the contenders read from."""

    reader: OnlineReader
    client: redis.Redis
    client_async: redis.asyncio.Redis
    fields: list[bytes]
    keys: KeyMaker
    ours: FeatureStore
    stock: FeatureStore


def measure(quick: bool) -> list[Measurement]:
    """Latency of a read of 1, 10, 100 and 500 customers."""
    with world() as place:
        place.store.apply([_service()])
        fill(place, plans_by_topic(place.store), CUSTOMERS, EVENTS)
        return asyncio.run(_measure(place, quick))


def _service() -> FeatureService:
    conversation = ["messages_10m", "messages_1d", "queries_10m", "negative_share_1h", "frustration_max_1h"]
    return FeatureService(
        name=SERVICE,
        features=[
            declared.click_activity,
            declared.rfm,
            declared.conversation[[*conversation, "since_message_s"]],
            declared.tickets,
            declared.satisfaction,
        ],
    )


async def _measure(world: World, quick: bool) -> list[Measurement]:
    views = views_of_service(service_projections(world.store, SERVICE))
    client_async = redis.asyncio.Redis.from_url(world.url)
    place = _Place(
        reader=OnlineReader(world.store.project, views, client=world.client, async_client=client_async),
        client=world.client,
        client_async=client_async,
        fields=[field for view in views for field in view.fields],
        keys=KeyMaker(world.store.project),
        ours=world.store,
        stock=_stock_store(world),
    )
    note = f"{_features(views)} features, rows of {_bytes_of_one(place)} bytes a customer"
    try:
        return [one for count in COUNTS for one in await _read(place, count, quick, note)]
    finally:
        await place.reader.close_async()
        await place.ours.close()


def _features(views: Sequence[Any]) -> int:
    assert len(views) == 5 and all(isinstance(view, WindowedView) for view in views)
    return sum(len(view.features) for view in views)


def _bytes_of_one(place: _Place) -> int:
    commands: Any = place.client
    replies = [commands.hmget(place.keys.key(f"customer{number}"), place.fields) for number in range(CUSTOMERS)]
    return round(statistics.median(sum(len(value) for value in reply if value) for reply in replies))


async def _read(place: _Place, count: int, quick: bool, note: str) -> list[Measurement]:
    people = [f"customer{number}" for number in range(count)]
    turns = max(4, (40 if quick else 400) // (1 if count < 100 else count // 20))
    samples = await _by_turns(_contenders(place, people), turns)
    many = f"{count} customer{'s' if count > 1 else ''}"
    rows = {name: _quoted(name, many, values, note) for name, values in samples.items()}
    return [
        compared(rows["reader"], rows["bare HMGET of the same bytes"]),
        compared(rows["reader, asyncio"], rows["bare HMGET of the same bytes, asyncio"]),
        compared(rows["get_online_features"], rows["Feast's Redis store, plain values"]),
        compared(rows["get_online_features_async"], rows["Feast's Redis store, plain values, asyncio"]),
    ]


def _quoted(name: str, many: str, samples: Sequence[float], note: str) -> Measurement:
    return spread(f"{name}, {many}", "ms", samples, note=f"{note}; fastest {min(samples):.3f} ms")


def _contenders(place: _Place, people: Sequence[str]) -> dict[str, Call]:
    keys, fields = place.keys.keys(people), place.fields
    rows = [{"customer_id": who} for who in people]
    ours, theirs = place.ours.get_feature_service(SERVICE), place.stock.get_feature_service(SERVICE)

    async def over_asyncio() -> Any:
        return await place.reader.read_async(people, NOW_US)

    async def bare_over_asyncio() -> Any:
        commands: Any = place.client_async
        if len(keys) == 1:
            return await commands.hmget(keys[0], fields)
        async with commands.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(key, fields)
            return await pipe.execute()

    return {
        "bare HMGET of the same bytes": _blocking(lambda: _bare(place.client, keys, fields)),
        "reader": _blocking(lambda: place.reader.read(people, NOW_US)),
        "bare HMGET of the same bytes, asyncio": bare_over_asyncio,
        "reader, asyncio": over_asyncio,
        "Feast's Redis store, plain values": _blocking(lambda: place.stock.get_online_features(theirs, rows)),
        "get_online_features": _blocking(lambda: place.ours.get_online_features(ours, rows)),
        "Feast's Redis store, plain values, asyncio": lambda: place.stock.get_online_features_async(theirs, rows),
        "get_online_features_async": lambda: place.ours.get_online_features_async(ours, rows),
    }


def _bare(client: Any, keys: Sequence[bytes], fields: Sequence[bytes]) -> Any:
    if len(keys) == 1:
        return client.hmget(keys[0], fields)
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hmget(key, fields)
        return pipe.execute()


def _blocking(work: Callable[[], Any]) -> Call:
    async def call() -> Any:
        return work()

    return call


async def _by_turns(contenders: dict[str, Call], turns: int) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(turns + 2):
        for name, call in contenders.items():
            # Feast keeps what it has resolved for one store of a process only: the first call of a turn pays for that.
            await call()
            for _ in range(TURN):
                started = time.perf_counter_ns()
                await call()
                took_ms = (time.perf_counter_ns() - started) / 1e6
                if turn >= 2:
                    samples[name].append(took_ms)
    return samples


def _stock_store(world: World) -> FeatureStore:
    """Feast's own store on the same server, holding what Rapport's answers now."""
    kwargs = world.client.connection_pool.connection_kwargs
    config = RepoConfig(
        project="stock",
        provider="local",
        registry=str(world.folder / "stock.db"),
        online_store={
            "type": "redis",
            "connection_string": f"localhost:6379,unix_socket_path={kwargs['path']},password={kwargs['password']}",
        },
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    views = [_plain_view(view, features, world) for view, features in service_projections(world.store, SERVICE)]
    store.apply([customer, *views, FeatureService(name=SERVICE, features=views)])
    answered = world.store.get_online_features(
        world.store.get_feature_service(SERVICE),
        [{"customer_id": f"customer{number}"} for number in range(CUSTOMERS)],
        full_feature_names=True,
    )
    with warnings.catch_warnings():
        # A feature may be null for everybody.
        warnings.filterwarnings("ignore", "Cannot write dataframe with empty feature columns")
        for view in views:
            store.write_to_online_store(view.name, _frame(view, answered))
    return store


def _plain_view(view: Any, features: tuple[str, ...], world: World) -> FeatureView:
    return FeatureView(
        name=view.name,
        entities=[customer],
        source=FileSource(name=f"{view.name}_file", path=str(world.folder / view.name), timestamp_field="event_time"),
        schema=[Field(name=each.name, dtype=each.dtype) for each in view.features if each.name in features],
    )


def _frame(view: FeatureView, answered: Any) -> Any:
    import pandas as pd

    values = answered.to_dict()
    columns = {each.name: values[f"{view.name}__{each.name}"] for each in view.features}
    return pd.DataFrame(
        {"customer_id": values["customer_id"], "event_time": from_us(NOW_US), **columns}
    ).convert_dtypes()
