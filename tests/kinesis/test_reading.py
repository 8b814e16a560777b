"""Reading shards and writing to them, through throttling, expiry and retention."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flows.runtime import Runtime
from rapport.bus import START, Message, Position, RecordBatch
from rapport.bus.kinesis import KinesisBus
from rapport.bus.kinesis_reader import ShardReader
from rapport.errors import BusError, BusFull, PositionMoved, RecordsGone, SettingsError
from rapport.settings import load_settings
from rapport.supervisor.seek import seek_oldest
from rapport.testing.kinesis import KinesisServer

TOPIC = "customer_clicks"


def messages(n: int, *, customers: int = 3, origin: str = "") -> list[Message]:
    return [Message(TOPIC, f"c{i % customers}", b"%d" % i, origin) for i in range(n)]


def read(reader: ShardReader, records: int, *, seconds: float = 15.0) -> list[RecordBatch]:
    """Batches that hold so many records together."""
    batches: list[RecordBatch] = []
    deadline_s = time.monotonic() + seconds
    while sum(map(len, batches)) < records and time.monotonic() < deadline_s:
        if batch := reader.poll(7):
            batches.append(batch)
        else:
            time.sleep(0.01)
    return batches


def commit_all_of(bus: KinesisBus, records: int) -> None:
    at = bus.position("ingest", TOPIC, 0)
    (*_, last) = read(bus.shard_reader(TOPIC, 0, at), records)
    bus.commit("ingest", TOPIC, 0, expected=at, position=last.positions[-1])


def test_records_come_once_in_order_and_say_where_they_were(bus: KinesisBus, kinesis: KinesisServer) -> None:
    sent = [*messages(20, origin="run;1"), Message(TOPIC, "", b"\xff"), Message(TOPIC, "客户 " * 90, b"", "run")]
    sent += [Message(TOPIC, "rapport-origin=x;c9", b"{}")]
    before_us = time.time_ns() // 1_000
    bus.publish(sent)
    got = read(bus.shard_reader(TOPIC, 0), len(sent))
    assert [p for batch in got for p in batch.positions] == [Position(i + 1, 0) for i in range(len(sent))]
    rows = [row for b in got for row in zip(b.keys, b.values, b.origins, b.arrivals_us, b.sources, strict=True)]
    for customer in ("c0", "c1", "c2"):
        assert [v for k, v, *_ in rows if k == customer] == [m.value for m in sent if m.key == customer]
    assert {(key, origin) for key, _, origin, *_ in rows} >= {("c0", "run,1"), ("", ""), ("rapport-origin=x;c9", "")}
    assert any(key and sent[-2].key.startswith(key) for key, _, origin, *_ in rows if origin == "run")
    assert all(before_us - 1_000_000 <= row[3] <= time.time_ns() // 1_000 for row in rows)
    assert all(row[4].startswith("shardId-000000000000:4959") for row in rows)


def test_a_checkpoint_is_one_step_and_fences(bus: KinesisBus) -> None:
    bus.publish(messages(9))
    reader = bus.shard_reader(TOPIC, 0, bus.position("ingest", TOPIC, 0))
    first, second = read(reader, 9)
    out = [Message("dead_letters", "k", b"x", partition=0)]
    bus.commit("ingest", TOPIC, 0, expected=START, position=first.positions[-1], outputs=out, counts={"n": 7})
    with pytest.raises(PositionMoved):
        bus.commit("ingest", TOPIC, 0, expected=START, position=second.positions[-1], outputs=out, counts={"n": 2})
    assert bus.counts("n") == {"n": 7} and bus.position("ingest", TOPIC, 0) == Position(7, 0)
    (again,) = read(bus.shard_reader(TOPIC, 0, Position(7, 0)), 2)
    assert (again.positions, again.values) == (second.positions, second.values)
    assert bus.reader("dead_letters", 0).lag() == 1
    with pytest.raises(BusError, match="read it, or commit it"):
        bus.reader(TOPIC, 0, Position(99, 0))


def test_reading_goes_on_through_throttling_and_expired_iterators(bus: KinesisBus, kinesis: KinesisServer) -> None:
    bus.publish(messages(10))
    reader = bus.shard_reader(TOPIC, 0)
    kinesis.refuse_reads, kinesis.expire_iterators = 3, 1
    assert sum(map(len, read(reader, 10))) == 10
    kinesis.expire_iterators = 1
    bus.publish(messages(5))
    assert [p.hi for b in read(reader, 5) for p in b.positions] == [11, 12, 13, 14, 15]


def test_a_shard_is_asked_at_most_five_times_a_second(bus: KinesisBus, kinesis: KinesisServer) -> None:
    reader, before, started_s = bus.shard_reader(TOPIC, 0), kinesis.calls["get_records"], time.monotonic()
    while time.monotonic() < started_s + 1.5:
        reader.poll(10)
        bus.wait(0.005)
    elapsed_s = time.monotonic() - started_s
    assert 2 <= kinesis.calls["get_records"] - before <= 5 * elapsed_s


def test_refused_records_are_sent_again_and_a_customers_stay_in_order(bus: KinesisBus, kinesis: KinesisServer) -> None:
    kinesis.refuse_writes = 400
    sent = messages(1_200, customers=300)
    bus.publish(sent)
    got = read(bus.shard_reader(TOPIC, 0), len(sent))
    assert kinesis.refuse_writes == 0 and sum(map(len, got)) == len(sent)
    orders: dict[str, list[int]] = {}
    for key, value in ((k, v) for b in got for k, v in zip(b.keys, b.values, strict=True)):
        orders.setdefault(key, []).append(int(value))
    assert len(orders) == 300 and all(order == sorted(order) for order in orders.values())


def test_a_stream_that_takes_nothing_is_full_and_a_large_record_is_refused(
    bus: KinesisBus, kinesis: KinesisServer, prefix: str
) -> None:
    from rapport.bus.kinesis_link import KinesisLink
    from rapport.bus.kinesis_writer import put

    kinesis.refuse_writes = 1_000
    hasty = KinesisLink("eu-central-1", endpoint=kinesis.endpoint, timeout_s=0.3)
    with pytest.raises(BusFull, match="more shards"):
        put(hasty, prefix + TOPIC, messages(1))
    kinesis.refuse_writes = 0
    with pytest.raises(BusError, match="1,048,576"):
        bus.publish([*messages(3), Message(TOPIC, "k", bytes(1 << 20))])
    assert not kinesis.records(prefix + TOPIC)
    bus.publish([Message(TOPIC, f"k{i}", bytes(900_000)) for i in range(7)])
    assert len(kinesis.records(prefix + TOPIC)) == 7


def test_lag_is_how_long_the_next_record_has_waited(bus: KinesisBus) -> None:
    assert bus.reader(TOPIC, 0).lag() == 0
    bus.publish(messages(4))
    time.sleep(2.1)
    at = bus.position("ingest", TOPIC, 0)
    assert 1_000 < bus.reader(TOPIC, 0, at).lag() < 60_000
    commit_all_of(bus, 4)
    assert bus.reader(TOPIC, 0, bus.position("ingest", TOPIC, 0)).lag() == 0
    assert bus.partitions("feedback") == 2 and bus.reader("feedback", 1).lag() == 0


def test_what_retention_removed_after_it_was_read_is_no_loss(
    bus: KinesisBus, kinesis: KinesisServer, prefix: str
) -> None:
    bus.publish(messages(5))
    commit_all_of(bus, 5)
    kinesis.retain_nothing(prefix + TOPIC)
    bus.publish(messages(2))
    at = bus.position("ingest", TOPIC, 0)
    assert [p.hi for b in read(bus.shard_reader(TOPIC, 0, at), 2) for p in b.positions] == [6, 7]


def test_what_retention_removed_before_it_was_read_stops(
    bus: KinesisBus, kinesis: KinesisServer, prefix: str, runtime: Runtime
) -> None:
    settings = runtime.settings
    bus.marks.take("ingest", bus.name(TOPIC), [0])
    bus.publish(messages(5))
    commit_all_of(bus, 5)
    bus.publish(messages(5))
    kinesis.retain_nothing(prefix + TOPIC, before=8)
    # The stream keeps a day; the last record that was read is older than that.
    kinesis._stream(prefix + TOPIC).retention_period_hours = 0
    time.sleep(0.05)
    bus.streams.get(TOPIC, max_age_s=0)
    reader = bus.shard_reader(TOPIC, 0, bus.position("ingest", TOPIC, 0))
    with pytest.raises(RecordsGone, match="bus seek ingest"):
        read(reader, 1)
    ((number, was, now),) = seek_oldest(settings, "ingest", TOPIC)
    assert (number, was) == (0, Position(5, 0)) and seek_oldest(settings, "ingest", TOPIC) == []
    assert now == bus.position("ingest", TOPIC, 0)
    rest = read(bus.shard_reader(TOPIC, 0, now), 2)
    assert [value for batch in rest for value in batch.values] == [b"3", b"4"]


def test_a_record_that_was_read_and_not_committed_keeps_its_number(
    bus: KinesisBus, kinesis: KinesisServer, prefix: str
) -> None:
    bus.publish(messages(5))
    read(bus.shard_reader(TOPIC, 0), 5)
    kinesis.retain_nothing(prefix + TOPIC, before=1)
    with pytest.raises(RecordsGone):
        read(bus.shard_reader(TOPIC, 0), 1)


def test_an_address_that_cannot_be_right(tmp_path: Path) -> None:
    from rapport.bus import open_bus

    for url in (
        "kinesis://",
        "kinesis://frankfurt",
        "kinesis://eu-central-1?prefx=a",
        "kinesis://eu-central-1?prefix=a/b",
    ):
        settings = load_settings({"RAPPORT_BUS_URL": url, "RAPPORT_REDIS_URL": "redis://x"}, root=tmp_path)
        with pytest.raises(SettingsError, match="kinesis://REGION"):
            open_bus(settings)


def test_a_stream_that_is_not_there(kinesis: KinesisServer, redis_url: str, tmp_path: Path) -> None:
    from rapport.bus import open_bus

    url = kinesis.bus_url("nobody.")
    bus = open_bus(load_settings({"RAPPORT_BUS_URL": url, "RAPPORT_REDIS_URL": redis_url}, root=tmp_path))
    with pytest.raises(BusError, match=r"create-stream --stream-name nobody\.customer_clicks"):
        bus.publish(messages(1))
