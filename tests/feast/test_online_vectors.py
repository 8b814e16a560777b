"""Every published window case through the writer and get_online_features of a real store: one customer per case, one
view per ttl, the world's clock standing at the case's time."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from feast import FeatureStore

from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.online import OnlineWriter
from rapport.testing.feeding import CustomerEvent, deliver
from rapport.testing.repository import customer, feast_view, make_store, source_of
from rapport.testing.vectors import KINDS, Case, load_cases, matches
from rapport.windows import Aggregation, View, compile_view

CASES = load_cases()
STATUS = {"present": {"PRESENT", "NULL_VALUE"}, "missing": {"NOT_FOUND"}, "expired": {"OUTSIDE_MAX_AGE"}}


def _name(a: Aggregation) -> str:
    return f"{a.function}_{a.column}_{a.window_us}_{a.slide_us}"


def _view(ttl_us: int | None, cases: list[Case]) -> View:
    wanted = {_name(a): a for case in cases for a in case.view.aggregations}
    renamed = [Aggregation(name, a.function, a.column, a.window_us, a.slide_us) for name, a in wanted.items()]
    return View(f"ttl_{ttl_us}", KINDS, tuple(renamed), ttl_us)


def _events(number: int, case: Case) -> list[CustomerEvent]:
    """What ingest lets through: nothing that is ahead of the read."""
    known = [event for event in case.events if event["event_time_us"] <= case.as_of_us]
    return [(f"c{number}", (e["event_id"], e["event_time_us"], e["values"])) for e in known]


@pytest.fixture
def client(redis_url: str) -> Any:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.mark.skipif(not CASES, reason="../shared/vectors is not there")
def test_the_online_store_gives_every_vector(tmp_path: Path, redis_url: str, client: redis.Redis) -> None:
    by_ttl: dict[int | None, list[tuple[int, Case]]] = defaultdict(list)
    for number, case in enumerate(CASES):
        by_ttl[case.view.ttl_us].append((number, case))
    views = {ttl: _view(ttl, [case for _, case in members]) for ttl, members in by_ttl.items()}
    entity, source = customer(), source_of("happenings", KINDS)
    store = make_store(
        tmp_path, redis_url, [entity, source, *(feast_view(view, source, entity) for view in views.values())]
    )
    for ttl, members in by_ttl.items():
        events = [event for number, case in members for event in _events(number, case)]
        random.Random(ttl).shuffle(events)
        half = len(events) // 2
        writer = OnlineWriter(client, store.project, [compile_view(views[ttl])])
        deliver(writer, KINDS, events, batches=[slice(0, half), slice(half // 2, None)])
    wrong = {}
    for ttl, members in by_ttl.items():
        for number, case in members:
            if found := _differences(store, client, views[ttl].name, number, case):
                wrong[case.name] = found
    assert wrong == {}


def _differences(store: FeatureStore, client: redis.Redis, view: str, number: int, case: Case) -> list[str]:
    client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, case.as_of_us, 0.0)))
    names = {a.name: _name(a) for a in case.view.aggregations}
    unique = list(dict.fromkeys(names.values()))
    response = store.get_online_features([f"{view}:{name}" for name in unique], [{"customer_id": f"c{number}"}])
    read = response.to_dict()
    statuses = {
        vector.DESCRIPTOR.fields_by_name["statuses"].enum_type.values_by_number[vector.statuses[0]].name
        for name, vector in zip(response.proto.metadata.feature_names.val, response.proto.results, strict=True)
        if name != "customer_id"
    }
    if not statuses <= STATUS[case.status]:
        return [f"statuses {statuses} instead of {case.status}"]
    return matches(case, {name: read[stored][0] for name, stored in names.items()})
