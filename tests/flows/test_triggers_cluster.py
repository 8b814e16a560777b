"""What triggers and deliveries keep, on a real Redis Cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from watching import NOW, click, fired, minutes, run_triggers, stand_at, watch_of

from rapport.bus.protocol import Position
from rapport.delivery.deliveries import Deliveries
from rapport.online import connect
from rapport.testing.redis_cluster import RedisCluster, redis_cluster
from tests.flows.running import MakeRuntime, run_ingest


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


def test_a_cart_on_a_cluster(make_runtime_: MakeRuntime, redis_url: str, cluster: RedisCluster) -> None:
    for after in (0, 31):
        stand_at(redis_url, NOW + minutes(after))
        runtime = make_runtime_(store_url=cluster.url)
        if not after:
            runtime.bus.publish([click("e1", "anna"), click("e2", "bo", "view")])
            run_ingest(runtime)
        run_triggers(runtime, watch_of())
    assert fired(runtime.bus) == Counter({("cart", "anna"): 1, ("seen", "bo"): 1})


def test_a_delivery_on_a_cluster(make_runtime_: MakeRuntime, cluster: RedisCluster) -> None:
    kept = Deliveries(connect(make_runtime_(store_url=cluster.url).settings, timeout_s=5))
    kept.add([("id1", "cart", b"body"), ("id2", "cart", b"other")], 0, Position(7, 0), now_ms=100)
    assert kept.place(0) == Position(7, 0)
    first, second = kept.take(100, 900, 10)
    assert kept.take(100, 900, 10) == []
    kept.delivered(first, "HTTP 200", 120)
    kept.delivered(first, "HTTP 200", 121)
    kept.put_off(second, "HTTP 500", 120, 300)
    (again,) = kept.take(300, 900, 10)
    kept.failed(again, "HTTP 500", 310)
    assert kept.counts() == {"waiting": 0, "dead": 1, "delivered": 1, "failed": 1, "tries": 3}
    assert [(one.id, one.tries) for one in kept.all_failed()] == [("id2", 2)]
