"""A rebuild gives rows the past that they lack, while flows write, whoever is killed: then online is history."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import redis
from feast import FeatureStore, StreamFeatureView
from feast.aggregation import Aggregation

from feature_repo import sources
from feature_repo.entities import customer
from flows.features import GROUP, load_declared
from flows.runtime import Runtime
from rapport.bus.protocol import START
from rapport.clock import WORLD_CLOCK_KEY
from rapport.errors import ArchiveError
from rapport.feast.declare import schema_of
from rapport.online import Keeping
from rapport.rebuild.lacking import Unfinished, anything_lacks
from rapport.testing.served import wait_for
from tests.flows.rebuilder import rebuild
from tests.flows.test_features import NOW, ROOT, order, run, store

__all__ = ["store"]

PEOPLE = [f"c{n}" for n in range(40)]
CHECKED = "purchase_events.checked"


def orders(first: int, count: int, seed: int) -> list[Any]:
    """Orders of PEOPLE, most of them in the last hundred days, some of them late by then."""
    rng = random.Random(seed)
    return [
        order(first + n, rng.choice(PEOPLE), timedelta(seconds=rng.randrange(9_000_000)), str(rng.randrange(900) / 100))
        for n in range(count)
    ]


def view(name: str, days: int) -> StreamFeatureView:
    """A view over orders: `days` for its windows, so that another number changes the declaration."""
    window = {"time_window": timedelta(days=days), "slide_interval": timedelta(days=1)}
    made = [
        Aggregation(name="amount", function="sum", column="amount_micros", **window),
        Aggregation(name="mean", function="mean", column="amount_micros", **window),
        Aggregation(name="products", function="count_distinct", column="order_id", **window),
        Aggregation(name="biggest", function="max", column="amount_micros"),
        Aggregation(name="first", function="first", column="order_id"),
        Aggregation(name="quiet_s", function="time_since_last", column="order_id"),
    ]
    return StreamFeatureView(
        name=name,
        entities=[customer],
        source=sources.purchase_events,
        timestamp_field="event_time",
        aggregations=made,
        schema=schema_of(sources.purchase_events, made),
    )


def answers(store: FeatureStore, declared: StreamFeatureView) -> tuple[list[Any], list[Any]]:
    """What online and history say of PEOPLE."""
    asked = [f"{declared.name}:{aggregation.name}" for aggregation in declared.aggregations]
    spine = pd.DataFrame({"customer_id": PEOPLE, "event_timestamp": [NOW] * len(PEOPLE)})
    past = store.get_historical_features(spine, asked).to_arrow().to_pylist()
    online = store.get_online_features(asked, [{"customer_id": who} for who in PEOPLE]).to_dict()
    names = [name.partition(":")[2] for name in asked]
    return [[online[n][at] for n in names] for at in range(len(PEOPLE))], [[row[n] for n in names] for row in past]


def assert_online_is_history(store: FeatureStore, declared: StreamFeatureView) -> None:
    online, past = answers(store, declared)
    assert online == past
    assert any(any(value is not None for value in row) for row in online)


def lacks(runtime: Runtime) -> bool:
    with redis.Redis.from_url(runtime.settings.redis_url) as client:
        return anything_lacks(Keeping(client, "rapport"), Unfinished(client, "rapport"))


def lose_redis(runtime: Runtime) -> None:
    """Everything but the world's time is gone."""
    with redis.Redis.from_url(runtime.settings.redis_url) as client:
        clock = client.get(WORLD_CLOCK_KEY)
        client.flushall()
        client.set(WORLD_CLOCK_KEY, clock)  # type: ignore[arg-type]


def apply(store: FeatureStore, declared: StreamFeatureView) -> None:
    store.apply([declared])


def test_a_view_that_is_declared_later_gets_its_past(store: FeatureStore, runtime: Runtime) -> None:
    runtime.bus.publish(orders(0, 300, 1))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    assert not lacks(runtime)
    mine = view("mine", 30)
    apply(store, mine)
    # Some customers get rows before the rebuild, with gaps; the others have none.
    runtime.bus.publish([message for message in orders(300, 60, 2) if message.key < "c2"])
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    online, past = answers(store, mine)
    assert online != past
    assert lacks(runtime)
    report = rebuild(runtime.settings)
    assert report.views == ["mine"]
    assert report.damaged == 0
    assert_online_is_history(store, mine)
    assert not lacks(runtime)
    # What comes afterwards counts once: rows made by the rebuild carry the position that they reach.
    runtime.bus.publish(orders(400, 50, 3))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    assert_online_is_history(store, mine)
    assert rebuild(runtime.settings).views == []


def test_a_changed_window_is_filled_again(store: FeatureStore, runtime: Runtime) -> None:
    apply(store, view("mine", 10))
    runtime.bus.publish(orders(0, 300, 1))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    runtime.bus.publish(orders(300, 20, 2))
    run(runtime, load_declared(runtime.settings), "ingest", "features")
    wider = view("mine", 60)
    apply(store, wider)
    runtime.bus.publish(orders(320, 10, 3))
    run(runtime, load_declared(runtime.settings), "ingest", "features")
    with pytest.raises(ArchiveError, match="do the flows run"):
        # The rows have seen events that nobody has archived yet.
        rebuild(runtime.settings, wait_s=0.1)
    run(runtime, load_declared(runtime.settings), "archive")
    rebuild(runtime.settings)
    assert_online_is_history(store, wider)
    assert not lacks(runtime)


def test_a_lost_redis_is_filled_from_the_archive(store: FeatureStore, runtime: Runtime) -> None:
    mine = view("mine", 30)
    apply(store, mine)
    runtime.bus.publish(orders(0, 300, 1))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    lose_redis(runtime)
    assert runtime.bus.position(GROUP, CHECKED, 0) == START
    runtime.bus.publish(orders(300, 30, 2))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    rebuild(runtime.settings)
    assert_online_is_history(store, mine)
    runtime.bus.publish(orders(400, 30, 3))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    assert_online_is_history(store, mine)


def test_a_flow_and_another_rebuild_between_two_chunks(store: FeatureStore, runtime: Runtime) -> None:
    """The same in one process: what others do between any two chunks, and a rebuild that breaks off."""
    runtime.bus.publish(orders(0, 600, 1))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    mine = view("mine", 30)
    apply(store, mine)
    declared = load_declared(runtime.settings)
    run(runtime, declared, "features")

    def others(chunks: int) -> None:
        runtime.bus.publish(orders(1_000 * chunks, 30, chunks))
        run(runtime, declared, "ingest", "features")
        if chunks == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(runtime.settings, between=others)
    assert lacks(runtime)
    run(runtime, declared, "archive")

    def another(chunks: int) -> None:
        runtime.bus.publish(orders(100_000 + 1_000 * chunks, 30, chunks))
        run(runtime, declared, "ingest", "features", "archive")
        if chunks == 2:
            assert rebuild(runtime.settings).views == ["mine"]

    assert rebuild(runtime.settings, between=another).views == ["mine"]
    assert not lacks(runtime)
    assert_online_is_history(store, mine)


@pytest.mark.timeout(900)
def test_it_may_be_killed_and_doubled_while_the_flow_writes(
    tmp_path: Path, store: FeatureStore, runtime: Runtime
) -> None:
    """A real flow adds events all the while; a rebuild is killed in the middle, and two run at once."""
    runtime.bus.publish(orders(0, 3_000, 1))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    mine = view("mine", 30)
    apply(store, mine)
    environment = {
        **os.environ,
        "RAPPORT_ROOT": str(tmp_path),
        "RAPPORT_REDIS_URL": runtime.settings.redis_url,
        "RAPPORT_ARCHIVE_EVERY_S": "0.2",
    }
    with flows(environment), publishing(runtime, orders(3_000, 4_000, 2)):
        wait_for(lambda: lacks(runtime), timeout_s=180)
        assert rebuilder(environment, 5).wait(250) == -signal.SIGKILL
        both = [rebuilder(environment, 0) for _ in range(2)]
        assert [process.wait(250) for process in both] == [0, 0]
        assert not lacks(runtime)
    wait_s = time.monotonic() + 180
    with flows(environment):
        while not _all_is_applied(runtime) and time.monotonic() < wait_s:
            time.sleep(0.1)
    assert _all_is_applied(runtime)
    assert runtime.archive.scan("purchase_events", ["event_id"]).num_rows == 7_000
    assert_online_is_history(store, mine)


def rebuilder(environment: dict[str, str], chunks: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.flows.rebuilder", str(chunks)], cwd=ROOT, env=environment)


@contextmanager
def flows(environment: dict[str, str]) -> Iterator[None]:
    argv = [sys.executable, "-m", "bytewax.run", "flows.all:flow"]
    process = subprocess.Popen(argv, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def publishing(runtime: Runtime, messages: Sequence[Any]) -> Iterator[None]:
    """Publish, some at a time, while the block runs; all are published when it ends."""
    stop = threading.Event()

    def publish() -> None:
        for at in range(0, len(messages), 20):
            runtime.bus.publish(messages[at : at + 20])
            stop.wait(0.1)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _all_is_applied(runtime: Runtime) -> bool:
    """Whether ingest, features and archive have read all that was published."""
    if runtime.bus.reader("purchase_events", 0, runtime.bus.position("ingest", "purchase_events", 0)).lag():
        return False
    groups = (GROUP, "archive")
    return not any(runtime.bus.reader(CHECKED, 0, runtime.bus.position(group, CHECKED, 0)).lag() for group in groups)
