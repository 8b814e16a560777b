"""Reading a whole service, against a bare HMGET of the same bytes and against Feast's own Redis store.

The service `personalization`: eight views over five topics and a pushed one. Feast's store holds the same features as
plain values, computed beforehand, on the same server.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import redis.asyncio
from feast import FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig

from benchmarks.frame import Measurement, compared, latencies_ms, spread
from benchmarks.online_world import NOW_US, World, fill, world
from feature_repo.entities import customer
from rapport.clock import from_us
from rapport.feast.catalog import plans_by_topic, service_projections, views_of_service
from rapport.online import OnlineReader
from rapport.online.hashes import read_hashes
from rapport.online.keys import KeyMaker

__all__ = ["measure"]

SERVICE = "personalization"
CUSTOMERS = 200


def measure(quick: bool) -> list[Measurement]:
    """Latency of a read of 1 and of 100 customers."""
    times = 200 if quick else 2_000
    with world() as place:
        fill(place, plans_by_topic(place.store), CUSTOMERS, 30)
        reader = OnlineReader(
            place.store.project,
            views_of_service(service_projections(place.store, SERVICE)),
            client=place.client,
            async_client=redis.asyncio.Redis.from_url(place.url),
        )
        stock = _stock_store(place)
        return [
            one for count in (1, 100) for one in _read(place, reader, stock, count, times // (1 if count == 1 else 5))
        ]


def _read(place: World, reader: OnlineReader, stock: FeatureStore, count: int, times: int) -> list[Measurement]:
    people = [f"customer{number}" for number in range(count)]
    keys = KeyMaker(place.store.project).keys(people)
    many = f"{count} customer{'s' if count > 1 else ''}"
    floor = spread(
        "bare HMGET of the same bytes",
        "ms",
        latencies_ms(lambda: read_hashes(place.client, keys, reader._assembly.fields, "measuring"), times=times),
    )
    ours = spread(f"reader, {many}", "ms", latencies_ms(lambda: reader.read(people, NOW_US), times=times))
    over = spread(f"reader, asyncio, {many}", "ms", asyncio.run(_async_ms(reader, people, times)))
    rows = [{"customer_id": who} for who in people]
    windowed = place.store.get_feature_service(SERVICE)
    plain = stock.get_feature_service(SERVICE)
    feast = spread(
        f"get_online_features, tiles merged, {many}",
        "ms",
        latencies_ms(lambda: place.store.get_online_features(windowed, rows), times=times // 2),
    )
    theirs = spread(
        "Feast's Redis store, values computed beforehand",
        "ms",
        latencies_ms(lambda: stock.get_online_features(plain, rows), times=times // 2),
    )
    return [compared(ours, floor), compared(over, floor), compared(feast, theirs)]


async def _async_ms(reader: OnlineReader, people: list[str], times: int) -> list[float]:
    import time

    samples = []
    for number in range(times + 50):
        started = time.perf_counter_ns()
        await reader.read_async(people, NOW_US)
        if number >= 50:
            samples.append((time.perf_counter_ns() - started) / 1e6)
    await reader.close_async()
    return samples


def _stock_store(place: World) -> FeatureStore:
    """Feast's own store on the same server, holding what Rapport's answers now."""
    kwargs = place.client.connection_pool.connection_kwargs
    config = RepoConfig(
        project="stock",
        provider="local",
        registry=str(place.folder / "stock.db"),
        online_store={
            "type": "redis",
            "connection_string": f"localhost:6379,unix_socket_path={kwargs['path']},password={kwargs['password']}",
        },
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    views = [_plain_view(view, features, place.folder) for view, features in service_projections(place.store, SERVICE)]
    store.apply([customer, *views, FeatureService(name=SERVICE, features=views)])
    answered = place.store.get_online_features(
        place.store.get_feature_service(SERVICE),
        [{"customer_id": f"customer{number}"} for number in range(CUSTOMERS)],
        full_feature_names=True,
    )
    for view in views:
        store.write_to_online_store(view.name, _frame(view, answered))
    return store


def _plain_view(view: Any, features: tuple[str, ...], folder: Path) -> FeatureView:
    return FeatureView(
        name=view.name,
        entities=[customer],
        source=FileSource(name=f"{view.name}_file", path=str(folder / view.name), timestamp_field="event_time"),
        schema=[Field(name=each.name, dtype=each.dtype) for each in view.features if each.name in features],
    )


def _frame(view: FeatureView, answered: Any) -> Any:
    import pandas as pd

    values = answered.to_dict()
    columns = {each.name: values[f"{view.name}__{each.name}"] for each in view.features}
    return pd.DataFrame(
        {"customer_id": values["customer_id"], "event_time": from_us(NOW_US), **columns}
    ).convert_dtypes()
