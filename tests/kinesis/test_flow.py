"""Ingest from shards that are split and merged: real dataflows, events by boto3."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.ingest import ingest
from flows.runtime import Runtime
from rapport.bus.share import Share
from rapport.dead_letters import DEAD_LETTERS, DeadLetter
from rapport.events.block import read_blocks
from rapport.testing.kinesis import KinesisServer

TOPIC = "feedback"


def event(event_id: str, customer: str) -> bytes:
    return msgspec.json.encode(
        {"event_id": event_id, "customer_id": customer, "event_time": "2025-03-01T12:00:00Z", "csat": 3}
    )


def put(kinesis: KinesisServer, prefix: str, customers: int, names: range, data: Mapping[int, bytes] = {}) -> None:
    """Events of customers in turn, as a producer of its own sends them."""
    records = [
        {"PartitionKey": f"c{n % customers}", "Data": data.get(n) or event(f"e{n}", f"c{n % customers}")} for n in names
    ]
    for at in range(0, len(records), 500):
        answer = kinesis.client().put_records(StreamName=prefix + TOPIC, Records=records[at : at + 500])
        assert answer["FailedRecordCount"] == 0


def drain(runtime: Runtime) -> None:
    flow = Dataflow("ingest")
    ingest(flow, runtime, drain=True)
    run_main(flow)


@contextmanager
def running(*runtimes: Runtime) -> Iterator[None]:
    """Flows that go on."""
    threads = []
    for runtime in runtimes:
        flow = Dataflow("ingest")
        ingest(flow, runtime)
        threads.append(threading.Thread(target=run_main, args=[flow]))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for runtime in runtimes:
            runtime.stop.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


def until(runtime: Runtime, events: int, *, seconds: float = 60.0) -> None:
    deadline_s = time.monotonic() + seconds
    while sum(runtime.bus.counts().values()) < events:
        assert time.monotonic() < deadline_s, runtime.bus.counts()
        time.sleep(0.05)


def all_of(runtime: Runtime, topic: str) -> list[bytes]:
    found: list[bytes] = []
    for partition in range(runtime.bus.partitions(topic)):
        reader = runtime.bus.reader(topic, partition)
        while batch := reader.poll(1_000):
            found += batch.values
    return found


def rows(runtime: Runtime) -> list[dict[str, Any]]:
    return [row for block in read_blocks(TOPIC, all_of(runtime, f"{TOPIC}.checked")) for row in block.to_pylist()]


def letters(runtime: Runtime) -> list[DeadLetter]:
    return [msgspec.json.decode(value, type=DeadLetter) for value in all_of(runtime, DEAD_LETTERS)]


def test_a_dead_letter_names_shard_and_sequence_number(runtime: Runtime, kinesis: KinesisServer, prefix: str) -> None:
    put(kinesis, prefix, 5, range(40), {7: b"{", 8: event("e3", "c3")})
    drain(runtime)
    assert sorted(row["event_id"] for row in rows(runtime)) == sorted(f"e{n}" for n in range(40) if n not in (7, 8))
    told = {(letter.reason, letter.source) for letter in letters(runtime)}
    held = {r.partition_key: f"shardId-{n:012d}:" for n, r in kinesis.records(prefix + TOPIC)}
    sources = {f"shardId-{n:012d}:{r.sequence_number}" for n, r in kinesis.records(prefix + TOPIC)}
    assert {reason for reason, _ in told} == {"bad_json", "duplicate"} and {source for _, source in told} <= sources
    assert all(letter.source.startswith(held[letter.key]) for letter in letters(runtime))
    drain(runtime)
    assert sum(runtime.bus.counts("accepted:").values()) == 38 and len(letters(runtime)) == 2


def test_children_wait_for_their_parents_and_know_what_they_saw(
    runtime: Runtime, kinesis: KinesisServer, prefix: str
) -> None:
    stream = prefix + TOPIC
    put(kinesis, prefix, 20, range(200))
    kinesis.split(stream, 0)
    kinesis.split(stream, 1)
    # Half of it again, and it comes by other shards than at first.
    put(kinesis, prefix, 20, range(100, 300))
    kinesis.merge(stream, 3, 4)
    put(kinesis, prefix, 20, range(200, 400))
    drain(runtime)
    got = rows(runtime)
    assert sorted(row["event_id"] for row in got) == sorted(f"e{n}" for n in range(400))
    assert runtime.bus.counts("dead:") == {"dead:duplicate": 200}
    assert len({number for number, _ in kinesis.records(stream)}) == 7
    orders: dict[str, list[int]] = {}
    for row in got:
        orders.setdefault(row["customer_id"], []).append(int(row["event_id"][1:]))
    assert all(order == sorted(order) for order in orders.values())
    assert {letter.source[:20] for letter in letters(runtime)} <= {f"shardId-{n:012d}" for n in range(2, 7)}


def test_shards_that_vanish_when_they_are_through_are_not_missed(
    make_runtime_: Any, kinesis: KinesisServer, prefix: str
) -> None:
    put(kinesis, prefix, 5, range(20))
    kinesis.split(prefix + TOPIC, 0)
    drain(make_runtime_())
    kinesis.forget_shard(prefix + TOPIC, 0)
    put(kinesis, prefix, 5, range(20, 30))
    runtime = make_runtime_()
    drain(runtime)
    assert len(rows(runtime)) == 30


def test_a_shard_that_vanishes_with_what_was_not_read_stops(
    make_runtime_: Any, kinesis: KinesisServer, prefix: str
) -> None:
    put(kinesis, prefix, 5, range(20))
    drain(make_runtime_())
    put(kinesis, prefix, 5, range(20, 30))
    kinesis.split(prefix + TOPIC, 0)
    kinesis.forget_shard(prefix + TOPIC, 0)
    runtime = make_runtime_()
    drain(runtime)
    assert runtime.stop.is_set()
    assert len(rows(runtime)) == 20


def test_workers_share_the_shards_and_two_on_one_are_fenced(
    make_runtime_: Any, kinesis: KinesisServer, prefix: str
) -> None:
    from dataclasses import replace

    stream = prefix + TOPIC
    # Workers 0 and 1 of 2, and one that takes itself for the only one.
    runtimes = [replace(make_runtime_(), share=share) for share in (Share(0, 2), Share(1, 2), Share(0, 1))]
    with running(*runtimes):
        put(kinesis, prefix, 30, range(300))
        kinesis.split(stream, 1)
        kinesis.refuse_reads = 5
        put(kinesis, prefix, 30, range(300, 600))
        until(runtimes[0], 600)
        kinesis.merge(stream, 2, 3)
        put(kinesis, prefix, 30, range(600, 700))
        until(runtimes[0], 700)
        time.sleep(0.5)
    assert runtimes[0].bus.counts() == {"accepted:feedback": 700}
    assert sorted(int(row["event_id"][1:]) for row in rows(runtimes[0])) == list(range(700))
