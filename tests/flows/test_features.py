"""Checked events become rows that any Feast client reads, once each, whatever happens on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main
from feast import FeatureStore, StreamFeatureView
from feast.aggregation import Aggregation

from feature_repo import sources, views
from feature_repo.entities import customer
from flows.all import all_branches
from flows.archive import archive
from flows.declared import Declared
from flows.features import GROUP, Updater, features, load_declared
from flows.ingest import ingest
from flows.runtime import Runtime
from rapport.bus import Bus, Message
from rapport.bus.protocol import START
from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.errors import DeclarationError
from rapport.feast.declare import schema_of
from rapport.online import Keeping, Kept, connect
from rapport.testing.blocks import block_message
from tests.flows.given import STORE_YAML

ROOT = Path(__file__).parents[2]
NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
OBJECTS = [customer, sources.purchase_events, sources.feedback, views.rfm, views.purchases, views.satisfaction]
MakeRuntime = Callable[..., Runtime]


@pytest.fixture
def store(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    """An applied repository in the installation's folder; the world stands at NOW."""
    # Flows in other processes leave a small machine little for anything else.
    monkeypatch.setenv("RAPPORT_REDIS_TIMEOUT_MS", "10000")
    (tmp_path / "feature_store.yaml").write_text(STORE_YAML % redis_url)
    store = FeatureStore(repo_path=str(tmp_path))
    store.apply(OBJECTS)
    with redis.Redis.from_url(redis_url) as client:
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, int(NOW.timestamp()) * 1_000_000, 0.0)))
    return store


def kept_views(runtime: Runtime) -> dict[str, Kept]:
    return Keeping(connect(runtime.settings), "rapport").all()


def order(number: int, who: str, ago: timedelta = timedelta(), amount: str = "2.50") -> Message:
    event = {
        "event_id": f"e{number}",
        "customer_id": who,
        "event_time": NOW - ago,
        "action": "order",
        "order_id": f"o{number}",
        "amount": amount,
        "currency": "EUR",
    }
    return Message("purchase_events", who, msgspec.json.encode(event))


def run(runtime: Runtime, declared: Declared, *branches: str) -> None:
    """Run branches over all there is, one after the other, as real dataflows."""
    for name in branches:
        flow = Dataflow(name)
        if name == "features":
            features(flow, runtime, declared, drain=True)
        else:
            {"ingest": ingest, "archive": archive}[name](flow, runtime, drain=True)
        run_main(flow)


def read(store: FeatureStore, *customers: str, features: Any = ("rfm:frequency", "rfm:monetary_micros")) -> list[Any]:
    rows = store.get_online_features(list(features), [{"customer_id": who} for who in customers]).to_dict()
    return list(zip(*(rows[name.partition(":")[2]] for name in features), strict=True))


def committed(bus: Bus) -> bool:
    """Whether the features group has read all checked orders."""
    return bus.reader("purchase_events.checked", 0, bus.position(GROUP, "purchase_events.checked", 0)).lag() == 0


def test_an_event_becomes_features(store: FeatureStore, runtime: Runtime) -> None:
    declared = load_declared(runtime.settings)
    assert {topic: [plan.view.name for plan in plans] for topic, plans in declared.plans.items()} == {
        "purchase_events": ["purchases", "rfm"],
        "feedback": ["satisfaction"],
    }
    runtime.bus.publish([order(1, "anna"), order(2, "bo"), order(3, "anna", timedelta(days=40)), order(4, "客户")])
    runtime.bus.publish(
        [
            Message(
                "feedback",
                "bo",
                msgspec.json.encode({"event_id": "f", "customer_id": "bo", "event_time": NOW, "nps": 9}),
            )
        ]
    )
    runtime.bus.publish([Message("purchase_events", "x", b"{broken")])
    run(runtime, declared, "ingest", "features")
    assert read(store, "anna", "bo", "客户", "x") == [(2, 5_000_000), (1, 2_500_000), (1, 2_500_000), (None, None)]
    assert read(store, "anna", "bo", features=["purchases:orders_30d", "satisfaction:nps_last"]) == [(1, None), (1, 9)]
    assert committed(runtime.bus)


def test_online_is_history(store: FeatureStore, runtime: Runtime) -> None:
    import pandas as pd

    rng = random.Random(3)
    runtime.bus.publish(
        [
            order(n, f"c{rng.randrange(9)}", timedelta(seconds=rng.randrange(9_000_000)), str(rng.randrange(900) / 100))
            for n in range(400)
        ]
    )
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    asked = [f"{view.name}:{field.name}" for view in (views.rfm, views.purchases) for field in view.features]
    people = [f"c{number}" for number in range(10)]
    spine = pd.DataFrame({"customer_id": people, "event_timestamp": [NOW] * len(people)})
    past = store.get_historical_features(spine, asked).to_arrow().to_pylist()
    online = store.get_online_features(asked, [{"customer_id": who} for who in people]).to_dict()
    for at, row in enumerate(past):
        assert {name: online[name][at] for name in online} == {name: row[name] for name in online}


def test_records_that_were_applied_but_not_committed_count_once(store: FeatureStore, runtime: Runtime) -> None:
    declared = load_declared(runtime.settings)
    for first, last in ((0, 17), (17, 30)):
        runtime.bus.publish([order(n, f"c{n % 3}") for n in range(first, last)])
        run(runtime, declared, "ingest")
    batch = runtime.bus.reader("purchase_events.checked", 0).poll(1)
    assert batch is not None
    with redis.Redis.from_url(runtime.settings.redis_url) as client:
        report = Updater(client, declared).apply(batch)
    assert (report.applied, report.rows) == (34, 3)
    assert runtime.bus.position(GROUP, "purchase_events.checked", 0) == START
    run(runtime, declared, "features")
    assert read(store, "c0", "c1", "c2") == [(10, 25_000_000)] * 3


def test_a_users_own_view_works_after_apply_and_restart(store: FeatureStore, runtime: Runtime) -> None:
    runtime.bus.publish([order(n, "anna") for n in range(5)])
    run(runtime, load_declared(runtime.settings), "ingest", "features")
    aggregations = [Aggregation(name="biggest", function="max", column="amount_micros")]
    mine = StreamFeatureView(
        name="mine",
        entities=[customer],
        source=sources.purchase_events,
        timestamp_field="event_time",
        aggregations=aggregations,
        schema=schema_of(sources.purchase_events, aggregations),
    )
    store.apply([mine])
    runtime.bus.publish([order(6, "anna", amount="7")])
    run(runtime, load_declared(runtime.settings), "ingest", "features")
    # What was before the view began is not known of her, so neither is a maximum of all time.
    assert read(store, "anna", features=["mine:biggest", "rfm:frequency"]) == [(None, 6)]
    (gap,) = {kept.gap(0) for name, kept in kept_views(runtime).items() if name == "mine"}
    assert gap is not None
    assert kept_views(runtime)["rfm"].complete


def test_a_record_that_is_no_row_is_left_out(store: FeatureStore, runtime: Runtime) -> None:
    topic = "purchase_events.checked"
    time_us = int(NOW.timestamp()) * 1_000_000
    row = {"event_id": "e", "customer_id": "anna", "event_time_us": time_us, "arrival_time_us": time_us}
    row |= {"schema_version": 1, "order_id": "o", "amount_micros": 5}
    good = block_message("purchase_events", [row])
    runtime.bus.publish([Message(topic, "anna", b"\x01", events=3), good, Message(topic, "b", b"", events=1)])
    run(runtime, load_declared(runtime.settings), "features")
    assert read(store, "anna", "b") == [(1, 5), (None, None)]
    assert committed(runtime.bus)


def test_topics_without_a_view_are_passed(store: FeatureStore, runtime: Runtime) -> None:
    runtime.bus.publish([Message("customer_clicks.checked", "c", b"whatever")])
    run(runtime, load_declared(runtime.settings), "features")
    assert runtime.bus.position(GROUP, "customer_clicks.checked", 0) > START


def test_no_views_is_an_error(tmp_path: Path, runtime: Runtime, redis_url: str) -> None:
    (tmp_path / "feature_store.yaml").write_text(STORE_YAML % redis_url)
    with pytest.raises(DeclarationError, match="run `feast apply`"):
        load_declared(runtime.settings)


def test_all_branches_in_one_flow(store: FeatureStore, runtime: Runtime) -> None:
    declared = load_declared(runtime.settings)
    runtime.bus.publish([order(n, f"c{n % 3}") for n in range(30)])
    # A branch of a draining flow ends when it finds nothing, so each run moves the records on by one hop at least.
    for _ in range(3):
        run_main(all_branches(runtime, declared, drain=True))
    assert read(store, "c0", "c1", "c2") == [(10, 25_000_000)] * 3
    assert runtime.archive.scan("purchase_events", ["event_id"]).num_rows == 30


def test_killed_processes_lose_and_double_nothing(tmp_path: Path, store: FeatureStore, runtime: Runtime) -> None:
    """The real process, killed in the middle of its work."""
    total, people = 12_000, 50
    rng = random.Random(1)
    events = [order(n, f"c{rng.randrange(people)}") for n in range(total)]
    environment = {**os.environ, "RAPPORT_ROOT": str(tmp_path), "RAPPORT_REDIS_URL": runtime.settings.redis_url}
    published = 0
    for life in range(2):
        process = subprocess.Popen(
            [sys.executable, "-m", "bytewax.run", "flows.worker:flow"],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        share = total * (life + 1) // 2
        runtime.bus.publish(events[published:share])
        published = share
        wanted = share if life else total // 4
        deadline = time.monotonic() + 120
        while _in_rows(store, people) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        assert _in_rows(store, people) >= wanted
        process.send_signal(signal.SIGTERM if life else signal.SIGKILL)
        process.wait(20)
    expected = [sum(message.key == f"c{n}" for message in events) for n in range(people)]
    assert [row[0] for row in read(store, *(f"c{n}" for n in range(people)))] == expected
    assert process.returncode == 0


def _in_rows(store: FeatureStore, people: int) -> int:
    return sum(row[0] or 0 for row in read(store, *(f"c{n}" for n in range(people))))
