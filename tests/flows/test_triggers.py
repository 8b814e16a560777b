"""Triggers through the real flow, bus and Redis: each fires once, whatever is killed, repeated, late or overtaken."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import redis
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main
from watching import (
    NOW,
    click,
    die_at,
    fired,
    firings,
    minutes,
    order,
    run_triggers,
    stand_at,
    watch_of,
)

from flows.features import GROUP as FEATURES
from flows.feed import Feed
from flows.horizon import Horizon
from flows.runtime import Runtime
from flows.triggers import GROUP, Watcher, triggers
from flows.trim import trim_behind
from rapport.bus.groups import groups_of
from rapport.bus.protocol import START
from rapport.bus.retry import Patience
from rapport.online import connect
from rapport.triggers.file import FILE
from rapport.triggers.store import TriggerStore
from tests.flows.running import MakeRuntime, run_archive, run_ingest

CHECKED = "customer_clicks.checked"


def at(make: MakeRuntime, redis_url: str, after_minutes: float) -> Runtime:
    """A runtime of a process that starts so many minutes after noon."""
    stand_at(redis_url, NOW + minutes(after_minutes))
    return make()


def test_an_abandoned_cart_fires_by_a_timer_once(make_runtime_: MakeRuntime, redis_url: str) -> None:
    runtime, watch = at(make_runtime_, redis_url, 0), watch_of()
    runtime.bus.publish([click("e1", "anna"), click("e2", "bo"), click("e3", "cy"), click("e4", "dee", "cart_remove")])
    run_ingest(runtime)
    run_triggers(runtime, watch)
    runtime = at(make_runtime_, redis_url, 20)
    runtime.bus.publish([order("o1", "bo", NOW + minutes(20)), click("e5", "cy", at=NOW + minutes(20))])
    run_ingest(runtime)
    for after, customers in ((29.9, ""), (30, "anna"), (49, "anna"), (50, "anna cy"), (120, "anna cy")):
        # Each a process of its own: timers come due while none runs, and no event arrives.
        runtime = at(make_runtime_, redis_url, after)
        run_triggers(runtime, watch)
        assert fired(runtime.bus) == Counter(("cart", who) for who in customers.split())
    one = firings(runtime.bus)[0]
    assert one.reason == "p in the cart, and nothing for 30 min"
    assert one.values == {"event_time": "2025-03-01T12:00:00+00:00", "for": "30 min", "product_id": "p"}
    assert (one.moment, one.cause) == (NOW + minutes(30), "e1")
    assert len(one.id) == 32 and "anna" not in one.id + one.reason
    assert runtime.bus.reader(CHECKED, 0, runtime.bus.position(GROUP, CHECKED, 0)).lag() == 0


@pytest.mark.timeout(200)
def test_killed_at_every_step_each_firing_is_there_once(
    make_runtime_: MakeRuntime, redis_url: str, tmp_path: Path
) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["flows.triggers", "bytewax.testing"])
    kills, lives = 0, 1
    while True:
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        runtime = at(make_runtime_, redis_url, 0)
        runtime.bus.publish([click(f"e{i}", f"c{i % 3}", "view" if i % 2 else "cart_add") for i in range(8)])
        run_ingest(runtime)
        run_triggers(runtime, watch_of())
        runtime = at(make_runtime_, redis_url, 40)
        runtime.bus.publish(
            [click("e9", "c2", "view", NOW + minutes(40)), click("e8", "c9", "view", NOW + minutes(40))]
        )
        run_ingest(runtime)
        child = processes.Process(target=die_at, args=(lives, redis_url, tmp_path), daemon=True)
        child.start()
        child.join()
        run_triggers(runtime, watch_of())
        expected = [("cart", f"c{i}") for i in range(3)] + [("seen", who) for who in ("c0", "c1", "c2", "c9")]
        assert fired(runtime.bus) == Counter(expected), f"killed at {lives}"
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        kills, lives = kills + 1, lives + 1
    assert kills >= 7


def test_what_is_read_again_fires_no_more(make_runtime_: MakeRuntime, redis_url: str) -> None:
    runtime = at(make_runtime_, redis_url, 0)
    runtime.bus.publish([click("e1", "anna"), click("e2", "anna", "view")])
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    runtime = at(make_runtime_, redis_url, 31)
    run_triggers(runtime, watch_of())
    once = fired(runtime.bus)
    assert once == Counter({("cart", "anna"): 1, ("seen", "anna"): 1})
    # The same events come again after their ids were forgotten, and the positions of the state are lost.
    with redis.Redis.from_url(redis_url) as client:
        client.delete(*client.keys("rapport:seen:*"))  # type: ignore[misc]
        client.hdel("{rapport:triggers}:places", f"{CHECKED}:0")
        client.hdel("rapport:bus:positions", f"{GROUP}:{CHECKED}:0")
    runtime.bus.publish([click("e1", "anna"), click("e2", "anna", "view")])
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    runtime = at(make_runtime_, redis_url, 95)
    run_triggers(runtime, watch_of())
    assert fired(runtime.bus) == once


def test_the_state_is_lost_and_numbers_go_on(make_runtime_: MakeRuntime, redis_url: str) -> None:
    runtime = at(make_runtime_, redis_url, 0)
    runtime.bus.publish([click("e1", "anna", "view")])
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    with redis.Redis.from_url(redis_url) as client:
        client.delete(*client.keys("{rapport:triggers}:*"))  # type: ignore[misc]
    runtime.bus.publish([click("e2", "bo", "view")])
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    assert fired(runtime.bus) == Counter({("seen", "anna"): 1, ("seen", "bo"): 1})


def test_a_timer_waits_for_what_has_arrived_and_is_not_read_yet(make_runtime_: MakeRuntime, redis_url: str) -> None:
    runtime = at(make_runtime_, redis_url, 0)
    runtime.bus.publish([click("e1", "anna"), click("e2", "bo")])
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    runtime = at(make_runtime_, redis_url, 40)
    # The order has arrived in time; ingest and triggers were both down.
    runtime.bus.publish([order("o1", "anna", NOW + minutes(29))])
    run_triggers(runtime, watch_of())
    assert fired(runtime.bus) == Counter()
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    assert fired(runtime.bus) == Counter({("cart", "bo"): 1})


def test_late_and_old_events(make_runtime_: MakeRuntime, redis_url: str) -> None:
    runtime = at(make_runtime_, redis_url, 0)
    late = NOW - minutes(120)
    runtime.bus.publish(
        [
            click("e1", "anna", at=late),  # two hours late: its half hour is counted from now
            click("e2", "bo", at=late),
            click("e3", "cy", at=NOW - minutes(60 * 30)),  # older than what still fires
            click("e4", "dee", "view", NOW - minutes(60 * 25)),
        ]
    )
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    runtime.bus.publish([order("o1", "bo", late + minutes(5))])
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    assert fired(runtime.bus) == Counter()
    runtime = at(make_runtime_, redis_url, 30)
    run_triggers(runtime, watch_of())
    assert fired(runtime.bus) == Counter({("cart", "anna"): 1})
    with connect(runtime.settings) as client:
        counts = TriggerStore(client).counts()
    assert counts == {"cart": {"fired": 1, "old": 1}, "seen": {"old": 1}}


def test_a_world_that_runs_faster_has_faster_timers(make_runtime_: MakeRuntime, redis_url: str) -> None:
    stand_at(redis_url, NOW, rate=3_600)
    runtime = make_runtime_()
    runtime.bus.publish([click("e1", "anna")])
    run_ingest(runtime)
    flow = Dataflow("triggers")
    triggers(flow, runtime, watch_of())

    def stop_when_fired() -> None:
        deadline = time.monotonic() + 20
        while not firings(runtime.bus) and time.monotonic() < deadline:
            time.sleep(0.05)
        runtime.stop.set()

    thread = threading.Thread(target=stop_when_fired)
    thread.start()
    run_main(flow)
    thread.join()
    (one,) = firings(runtime.bus)
    assert one.trigger == "cart"
    assert one.fired_at >= one.moment >= NOW + minutes(30)


def test_two_processes_on_one_state_fire_once(make_runtime_: MakeRuntime, redis_url: str) -> None:
    """One goes on after another has taken over, with what it had read before."""
    runtime = at(make_runtime_, redis_url, 0)
    runtime.bus.publish([click("e1", "anna", "view")])
    run_ingest(runtime)
    store = TriggerStore(connect(runtime.settings, timeout_s=5))
    store.begin(0)
    feed = Feed(runtime.bus, GROUP, [CHECKED], store.place, runtime.stop)
    slow = Watcher(feed, Patience(runtime.stop), runtime, watch_of(), store)
    read = feed.poll(CHECKED, 0)
    assert read
    run_triggers(runtime, watch_of())
    slow.handle(read)
    assert feed.is_void(read)
    assert feed.poll(CHECKED, 0) is None
    slow.close()
    assert fired(runtime.bus) == Counter({("seen", "anna"): 1})
    # And it works on: its next step is not fenced off.
    runtime.bus.publish([click("e2", "bo", "view")])
    run_ingest(runtime)
    again = feed.poll(CHECKED, 0)
    assert again
    slow.handle(again)
    slow.close()
    assert fired(runtime.bus) == Counter({("seen", "anna"): 1, ("seen", "bo"): 1})


def test_the_horizon_of_a_busy_partition_is_what_was_read(runtime: Runtime) -> None:
    horizon = Horizon(runtime.bus, [CHECKED, "purchase_events.checked"])
    assert horizon.at(1_000, lambda *place: runtime.bus.position(GROUP, *place)) == 1_000
    runtime.bus.publish([click("e1", "anna")])
    assert horizon.at(1_000, lambda *place: runtime.bus.position(GROUP, *place)) < 0
    horizon.reached(CHECKED, 0, 900)
    assert horizon.at(1_000, lambda *place: runtime.bus.position(GROUP, *place)) == 899


def test_what_triggers_have_not_read_is_not_trimmed(runtime: Runtime, redis_url: str) -> None:
    stand_at(redis_url, NOW)
    (runtime.settings.root / "feature_repo").mkdir()
    (runtime.settings.root / FILE).write_text("triggers: [{event: {topic: customer_clicks}}]")
    runtime.bus.publish([click("e1", "anna", "view"), order("o1", "anna")])
    run_ingest(runtime)
    end = runtime.bus.reader(CHECKED, 0).poll(10)
    assert end
    runtime.bus.commit(FEATURES, CHECKED, 0, expected=START, position=end.positions[-1])
    run_archive(runtime)
    readers = groups_of(runtime.settings)
    assert "triggers" in readers[CHECKED] and "triggers" not in readers["feedback.checked"]
    assert trim_behind(runtime.bus, CHECKED, 0, readers[CHECKED]) == 0
    run_triggers(runtime, watch_of())
    assert fired(runtime.bus) == Counter({("seen", "anna"): 1})


def test_logs_name_no_customer(make_runtime_: MakeRuntime, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    runtime = at(make_runtime_, redis_url, 0)
    runtime.bus.publish([click("e1", "anna-who-is-known", "view"), click("e2", "anna-who-is-known")])
    run_ingest(runtime)
    run_triggers(runtime, watch_of())
    runtime = at(make_runtime_, redis_url, 31)
    run_triggers(runtime, watch_of())
    assert sum(fired(runtime.bus).values()) == 2
    assert "anna-who-is-known" not in caplog.text
