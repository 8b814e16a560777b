"""The ingest flow on a real Redis: nothing lost, nothing doubled, whatever happens around it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from bytewax.dataflow import Dataflow
from bytewax.testing import cluster_main, run_main
from given import checked, feedback, letters, message, values

from flows.archive import archive
from flows.ingest import GROUP, ingest
from flows.runtime import Runtime, make_runtime
from rapport.bus import START, Message, Position
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.bus.seen import SeenEvents
from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.embedded import EmbeddedRedis
from rapport.events.schema import TOPICS
from rapport.settings import load_settings
from tests.flows.running import MakeRuntime, run_ingest


def test_good_events_become_rows_and_bad_ones_dead_letters(runtime: Runtime) -> None:
    bad = b'{"event_id":"\xff"}'
    runtime.bus.publish(
        [
            message("e1", "anna", "run"),
            message("e1", "anna", "run"),
            message("e2", "", "run"),
            message("e3", "bob", "", csat=9),
            Message("feedback", "bob", bad, "run"),
            message("e4", "bob", "", event_time="2099-01-01T00:00:00Z"),
            Message("feedback", "", b"x" * 70_000),
            Message("support_tickets", "anna", b"[]"),
        ]
    )
    run_ingest(runtime)
    assert [(row["event_id"], row["customer_id"]) for row in checked(runtime.bus)] == [("e1", "anna")]
    assert runtime.bus.counts() == {
        "accepted:feedback": 1,
        "dead:bad_json": 1,
        "dead:bad_value": 2,
        "dead:duplicate": 1,
        "dead:future_event": 1,
        "dead:no_customer": 1,
        "dead:too_large": 1,
        "origin:run:accepted": 1,
        "origin:run:dead:bad_json": 1,
        "origin:run:dead:duplicate": 1,
        "origin:run:dead:no_customer": 1,
    }
    dead = {letter.reason: letter for letter in letters(runtime.bus)}
    assert dead["bad_json"].raw == bad
    assert (dead["duplicate"].topic, dead["duplicate"].key, dead["duplicate"].origin) == ("feedback", "anna", "run")
    assert dead["future_event"].field == "event_time" and dead["future_event"].arrival_us > 1_700_000_000_000_000


def test_a_second_run_finds_nothing_to_do(runtime: Runtime) -> None:
    runtime.bus.publish([message(f"e{i}") for i in range(10)])
    run_ingest(runtime)
    run_ingest(runtime)
    assert len(checked(runtime.bus)) == 10 and runtime.bus.counts() == {"accepted:feedback": 10}


class Noting(RedisStreamsBus):
    """Notes of which topics batches were committed, in order."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.committed: list[str] = []

    def commit(self, group: str, topic: str, partition: int, **rest: Any) -> None:
        super().commit(group, topic, partition, **rest)
        self.committed.append(topic)


def test_a_surge_in_one_topic_holds_up_no_other(runtime: Runtime, redis_url: str) -> None:
    bus = Noting(redis_url)
    for _ in range(8):
        bus.publish([Message("feedback", "c", b"{}")] * 5_000)
    event = {"event_id": "t", "customer_id": "anna", "event_time": "2025-01-01T00:00:00Z", "ticket_id": "t"}
    bus.publish([Message("support_tickets", "anna", msgspec.json.encode({**event, "action": "opened"}))])
    run_ingest(replace(runtime, bus=bus))
    assert bus.committed.count("feedback") == 10
    assert bus.committed.index("support_tickets") < 2
    bus.close()


def test_partitions_and_workers(make_runtime_: MakeRuntime) -> None:
    runtime = make_runtime_(partitions=4)
    runtime.bus.publish([message(f"e{i}", f"c{i % 50}") for i in range(3_000)])
    flow = Dataflow("ingest")
    ingest(flow, runtime, drain=True)
    cluster_main(flow, [], 0, worker_count_per_proc=2)
    rows = checked(runtime.bus)
    assert sorted(row["event_id"] for row in rows) == sorted(f"e{i}" for i in range(3_000))
    assert sum(runtime.bus.position(GROUP, "feedback", part) > START for part in range(4)) > 1


def test_a_wrong_key_does_not_split_a_customer(make_runtime_: MakeRuntime) -> None:
    bus = (runtime := make_runtime_(partitions=4)).bus
    bus.publish([Message("feedback", f"other{i}", feedback(f"e{i}", "anna")) for i in range(20)])
    run_ingest(runtime)
    assert sum(bus.reader("feedback.checked", part).lag() > 0 for part in range(4)) == 1


def test_two_processes_on_one_partition_give_each_event_once(make_runtime_: MakeRuntime) -> None:
    runtimes = [make_runtime_() for _ in range(2)]
    runtimes[0].bus.publish([message(f"e{i}") for i in range(20_000)])
    flows = [threading.Thread(target=run_ingest, args=[runtime]) for runtime in runtimes]
    for thread in flows:
        thread.start()
    for thread in flows:
        thread.join()
    assert [row["event_id"] for row in checked(runtimes[0].bus)] == [f"e{i}" for i in range(20_000)]
    assert runtimes[0].bus.counts() == {"accepted:feedback": 20_000}


def test_the_published_world_clock_is_the_arrival(runtime: Runtime, redis_url: str) -> None:
    now_us = time.time_ns() // 1_000
    clock = WorldClock(anchor_system_us=now_us, anchor_world_us=1_300_000_000_000_000, rate=1.0)
    with redis.Redis.from_url(redis_url) as client:
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(clock))
    runtime.bus.publish([message("e1", event_time="2011-03-13T07:00:00Z"), message("e2")])
    run_ingest(runtime)
    (row,) = checked(runtime.bus)
    assert abs(row["arrival_time_us"] - 1_300_000_000_000_000) < 10_000_000
    assert runtime.bus.counts("dead:") == {"dead:future_event": 1}


def places(*offsets: int) -> list[Position]:
    return [Position(offset, 0) for offset in offsets]


def test_ids_are_remembered_for_a_while_only(redis_url: str) -> None:
    second, at = 1_000_000, 1_700_000_000_900_000
    with redis.Redis.from_url(redis_url) as client:
        seen = SeenEvents(client, remembered_s=1)
        assert seen.claim("t", 0, ["a", "b", "a"], places(1, 2, 3), [at, at, at]).tolist() == [True, True, False]
        assert seen.claim("t", 0, ["a", "a"], places(1, 3), [at, at]).tolist() == [True, False]
        assert seen.claim("u", 0, ["a"], places(9), [at]) and seen.claim("t", 1, ["a"], places(9), [at])
        # Another process finds what this one has claimed.
        other = SeenEvents(client, remembered_s=1)
        for one in (seen, other, seen):
            own = one.claim("t", 0, ["a", "a", "b"], places(4, 5, 2), [at + second, at + 2 * second, at])
            assert own.tolist() == [False, True, True]
        # What arrived a while before is not kept for ever.
        for later in range(3, 9):
            assert seen.claim("t", 0, ["c"], places(10 + later), [at + later * second]).tolist() == [later % 2 == 1]
        assert len(client.keys("rapport:seen:{t:0}:*")) <= 3


def test_a_repeat_is_known_however_long_the_flow_was_down(make_runtime_: MakeRuntime, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        runtime = replace(make_runtime_(), claim=(seen := SeenEvents(client, remembered_s=1)).claim, forget=seen.forget)
        runtime.bus.publish([message("e1")])
        run_ingest(runtime)
        runtime.bus.publish([message("e1"), message("e2")])
        time.sleep(2.1)
        run_ingest(runtime)
    assert [row["event_id"] for row in checked(runtime.bus)] == ["e1", "e2"]
    assert runtime.bus.counts("dead:") == {"dead:duplicate": 1}


def test_a_full_checked_topic_holds_ingest_back_and_loses_nothing(make_runtime_: MakeRuntime) -> None:
    runtime = make_runtime_(bus_max_length=1_000)
    for run in range(2):
        runtime.bus.publish([message(f"e{run}-{i}") for i in range(800)])
        run_ingest(runtime)
        runtime.bus.trim("feedback", 0, runtime.bus.position(GROUP, "feedback", 0))
    assert len(checked(runtime.bus)) == 800 and runtime.bus.counts() == {"accepted:feedback": 800}
    runtime.bus.trim("feedback.checked", 0, Position(2**60, 0))
    run_ingest(runtime)
    assert runtime.bus.counts() == {"accepted:feedback": 1_600}


def test_redis_gone_for_a_while(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    runtime = make_runtime(load_settings({"RAPPORT_REDIS_URL": server.start()}, root=tmp_path))
    flow = Dataflow("ingest")
    ingest(flow, runtime)
    thread = threading.Thread(target=run_main, args=[flow])
    runtime.bus.publish([message(f"a{i}") for i in range(5_000)])
    thread.start()
    server.stop()
    time.sleep(0.3)
    server.start()
    runtime.bus.publish([message(f"b{i}") for i in range(5_000)])
    deadline = time.monotonic() + 30
    while runtime.bus.counts("accepted") != {"accepted:feedback": 10_000} and time.monotonic() < deadline:
        time.sleep(0.05)
    runtime.stop.set()
    thread.join(10)
    assert not thread.is_alive()
    ids = [row["event_id"] for row in checked(runtime.bus)]
    assert ids == [f"{run}{i}" for run in "ab" for i in range(5_000)]
    assert runtime.bus.counts() == {"accepted:feedback": 10_000}
    server.stop()


def test_asked_to_end_while_redis_is_gone(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    runtime = make_runtime(load_settings({"RAPPORT_REDIS_URL": server.start()}, root=tmp_path))
    flow = Dataflow("all")
    ingest(flow, runtime)
    archive(flow, runtime)
    thread = threading.Thread(target=run_main, args=[flow])
    thread.start()
    runtime.bus.publish([message(f"e{i}") for i in range(1_000)])
    server.stop()
    time.sleep(0.2)
    runtime.stop.set()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_is_ingested(runtime: Runtime, topic: str) -> None:
    runtime.bus.publish([Message(topic, "c", b"{}")])
    run_ingest(runtime)
    assert runtime.bus.counts() == {"dead:no_customer": 1} or runtime.bus.counts() == {"dead:missing_field": 1}
    assert values(runtime.bus, f"{topic}.checked") == []
