"""The conformance battery over every declared view, and over one that is declared here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from feast import StreamFeatureView
from feast.aggregation import Aggregation

from feature_repo import sources, views
from feature_repo.entities import customer
from rapport.feast.declare import event_source, is_windowed, schema_of
from rapport.testing.conformance import Disagreement, check_view
from rapport.testing.repository import make_store

DECLARED = {view.name: view for view in vars(views).values() if is_windowed(view)}
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def our_own() -> StreamFeatureView:
    """A view as a user would add it: every function, over windows of its own."""
    source = event_source("purchase_events")
    windows: list[dict[str, Any]] = [
        {},
        {"time_window": HOUR, "slide_interval": 10 * MINUTE},
        {"time_window": 2 * DAY, "slide_interval": HOUR},
    ]
    numeric = ("sum", "mean", "min", "max", "std", "count", "count_distinct", "first", "last", "time_since_last")
    aggregations = [
        Aggregation(name=f"{function}_{column}_{number}", function=function, column=column, **window)
        for number, window in enumerate(windows)
        for column, functions in (("net_micros", numeric), ("product_id", numeric[5:]))
        for function in functions
    ]
    return StreamFeatureView(
        name="our_own",
        entities=[customer],
        source=source,
        timestamp_field="event_time",
        ttl=3 * DAY,
        aggregations=aggregations,
        schema=schema_of(source, aggregations),
    )


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.mark.parametrize("view", [*DECLARED.values(), our_own()], ids=lambda view: str(view.name))
def test_online_is_history_is_oracle(
    view: StreamFeatureView, tmp_path: Path, redis_url: str, client: redis.Redis
) -> None:
    offline = "rapport.feast.offline_store.RapportOfflineStore"
    store = make_store(tmp_path, redis_url, [customer, view.stream_source, view], offline=offline)
    assert check_view(store, view.name, client) >= 13 * 4


def test_the_battery_notices(tmp_path: Path, redis_url: str, client: redis.Redis) -> None:
    """A view whose rows have already seen another world does not pass."""
    offline = "rapport.feast.offline_store.RapportOfflineStore"
    objects = [customer, sources.feedback, views.satisfaction]
    first = make_store(tmp_path / "first", redis_url, objects, offline=offline)
    check_view(first, "satisfaction", client, seed=1)
    second = make_store(tmp_path / "second", redis_url, objects, offline=offline)
    with pytest.raises(Disagreement, match="view 'satisfaction', customer"):
        check_view(second, "satisfaction", client, seed=2)


def test_every_declared_view_is_checked() -> None:
    assert len(DECLARED) >= 7
