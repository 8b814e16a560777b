"""A customer who is erased: none of their timers fires any more, nothing of theirs waits to be published or posted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import redis
from watching import NOW, click, fired, minutes, run_triggers, stand_at, watch_of

from flows.runtime import Runtime
from rapport.bus import Position
from rapport.delivery.deliveries import Deliveries
from rapport.online import connect
from rapport.triggers.firing import Firing, to_message
from rapport.triggers.state import Changes, Due, Pair, Watched
from rapport.triggers.store import TriggerStore, ask_queue
from tests.flows.running import MakeRuntime, run_ingest

# The first is a pattern that would match the second.
GONE, STAYS = "anna*[1]", "anna-21"


def store_of(runtime: Runtime) -> TriggerStore:
    return TriggerStore(connect(runtime.settings, timeout_s=5))


def firing_of(customer: str, number: int = 0) -> Firing:
    name = f"{number}:{customer}".encode().hex()
    return Firing(id=name, trigger="seen", customer_id=customer, moment=NOW, fired_at=NOW, reason="looked", values={})


def everything(redis_url: str, pattern: str) -> bytes:
    """All that keys hold, and their names."""
    with redis.Redis.from_url(redis_url) as client:
        found = b""
        for key in client.scan_iter(pattern):
            kind = client.type(key)
            held = {b"hash": client.hgetall, b"zset": lambda k: client.zrange(k, 0, -1), b"stream": client.xrange}
            found += key + repr(held[kind](key)).encode()
        return found


def test_timers_are_cancelled_and_others_fire(make_runtime_: MakeRuntime, redis_url: str) -> None:
    stand_at(redis_url, NOW)
    runtime = make_runtime_()
    events = [click(f"{who}{action}", who, action) for who in (GONE, STAYS) for action in ("cart_add", "view")]
    runtime.bus.publish(events)
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    store = store_of(runtime)
    assert store.sizes() == {"states": 4, "timers": 4, "checks": 0}
    assert store.erase(GONE) == 2
    assert store.sizes() == {"states": 2, "timers": 2, "checks": 0}
    assert GONE not in everything(redis_url, "{rapport:triggers}:*").decode()
    stand_at(redis_url, NOW + minutes(40))
    runtime = make_runtime_()
    run_triggers(runtime, watch_of())
    assert fired(runtime.bus) == Counter({("seen", GONE): 1, ("seen", STAYS): 1, ("cart", STAYS): 1})
    # What comes afterwards is a new customer's.
    runtime.bus.publish([click("again", GONE, "view", NOW + minutes(40))])
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    assert fired(runtime.bus)["seen", GONE] == 2
    assert store.erase("nobody") == 0


def test_who_holds_some_of_it_writes_nothing_back_and_the_outbox_forgets(
    make_runtime_: MakeRuntime, redis_url: str
) -> None:
    stand_at(redis_url, NOW)
    runtime = make_runtime_()
    running, changes = store_of(runtime), Changes()
    running.begin(0)
    for who in (GONE, STAYS):
        changes.keep(Pair("seen", who), Watched(armed_us=1), Due(ask_queue("feedback.checked", 0), 7))
        changes.firings += [firing_of(who, number) for number in range(2)]
    assert running.step(changes, ("feedback.checked", 0, Position(7, 0)))
    assert store_of(runtime).erase(GONE) == 3
    assert not running.step(changes)
    assert GONE not in everything(redis_url, "{rapport:triggers}:*").decode()
    assert running.due(ask_queue("feedback.checked", 0), 7, 10) == [Pair("seen", STAYS)]
    run_triggers(runtime, watch_of())
    assert fired(runtime.bus) == Counter({("seen", STAYS): 2})


def test_deliveries_that_wait_or_failed_are_gone(make_runtime_: MakeRuntime, redis_url: str, tmp_path: Path) -> None:
    kept = Deliveries(connect(make_runtime_().settings, timeout_s=5))
    firings = [firing_of(who, number) for number in range(3) for who in (GONE, STAYS)]
    kept.add([(one.id, one.trigger, to_message(one).value) for one in firings], 0, Position(6, 0), 1_000)
    for delivery in kept.take(1_000, 2_000, 2):
        kept.failed(delivery, "HTTP 500", 1_000)
    under_way = {delivery.customer: delivery for delivery in kept.take(1_000, 2_000, 2)}
    assert set(under_way) == {GONE, STAYS}
    assert kept.erase(GONE) == 3
    # Its try comes back: there is nothing to be put off.
    kept.put_off(under_way[GONE], "HTTP 500", 1_000, 3_000)
    counts = kept.counts()
    assert (counts["waiting"], counts["dead"]) == (2, 1)
    assert {delivery.customer for delivery in kept.take(5_000, 6_000, 10)} == {STAYS}
    assert {delivery.customer for delivery in kept.all_failed()} == {STAYS}
    assert kept.erase(GONE) == 0
