"""Rebuilds of what went through a broker, where rows and archive go by the places of the raw log."""

from __future__ import annotations

from feast import FeatureStore

from flows.features import GROUP, load_declared
from flows.runtime import Runtime
from rapport.archive import archive_writer
from rapport.bus.placed import is_placed
from tests.flows import test_rebuild as over_redis
from tests.flows.rebuilder import rebuild
from tests.flows.test_features import run, store
from tests.flows.test_rebuild import CHECKED, apply, assert_online_is_history, lacks, lose_redis, orders, view

__all__ = ["store"]


def test_a_changed_window_is_filled_again(store: FeatureStore, runtime: Runtime) -> None:
    over_redis.test_a_changed_window_is_filled_again(store, runtime)


def test_a_lost_redis_is_filled_from_the_archive(store: FeatureStore, runtime: Runtime) -> None:
    mine = view("mine", 30)
    apply(store, mine)
    runtime.bus.publish(orders(0, 300, 1))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    lose_redis(runtime)
    # Kafka keeps where the features were, which the archive has reached, too.
    reached = runtime.bus.position(GROUP, CHECKED, 0)
    assert is_placed(reached) and runtime.archive.position("purchase_events", archive_writer(0)) == reached
    runtime.bus.publish(orders(300, 30, 2))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    assert lacks(runtime)
    rebuild(runtime.settings)
    assert_online_is_history(store, mine)
    runtime.bus.publish(orders(400, 30, 3))
    run(runtime, load_declared(runtime.settings), "ingest", "archive", "features")
    assert_online_is_history(store, mine)
