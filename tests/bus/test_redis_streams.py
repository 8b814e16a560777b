"""The bus on Redis Streams: the protocol, and what a server's absence and restart do to it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from conformance import BusConformance, MakeBus, messages, values

from rapport.bus import START, Message, Position, open_bus
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.bus.retry import Patience, Stopped, commit_surely
from rapport.embedded import EmbeddedRedis
from rapport.errors import BusFull, BusUnavailable, PositionMoved, SettingsError
from rapport.settings import load_settings


class TestRedisStreamsBus(BusConformance):
    @pytest.fixture
    def make_bus(self, redis_url: str) -> Iterator[MakeBus]:
        made: list[RedisStreamsBus] = []

        def make(**limits: Any) -> RedisStreamsBus:
            made.append(RedisStreamsBus(redis_url, **limits))
            return made[-1]

        yield make
        for bus in made:
            bus.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


def test_a_restarted_server_keeps_records_positions_and_counts(server: EmbeddedRedis) -> None:
    bus = RedisStreamsBus(server.url, timeout_s=1)
    bus.publish(messages(10))
    reader = bus.reader("t", 0)
    batch = reader.poll(4)
    assert batch is not None
    bus.commit("g", "t", 0, expected=START, position=batch.positions[-1], outputs=messages(4, "out"), counts={"n": 4})
    server.stop()
    with pytest.raises(BusUnavailable):
        bus.publish(messages(1))
    with pytest.raises(BusUnavailable):
        bus.position("g", "t", 0)
    with pytest.raises(BusUnavailable):
        bus.reader("t", 0).poll(1)
    server.start()
    assert bus.position("g", "t", 0) == batch.positions[-1]
    assert bus.counts() == {"n": 4}
    assert len(values(bus, "t")) == 10 and len(values(bus, "out")) == 4
    rest = reader.poll(100)
    assert rest is not None and rest.values == [b"%d" % i for i in range(4, 10)]
    bus.commit("g", "t", 0, expected=batch.positions[-1], position=rest.positions[-1], outputs=messages(6, "out"))
    bus.publish(messages(1))
    bus.close()


def test_a_frozen_server_is_unavailable_in_time_and_usable_afterwards(server: EmbeddedRedis) -> None:
    bus = RedisStreamsBus(server.url, timeout_s=0.2)
    bus.publish(messages(1))
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(BusUnavailable):
            bus.commit("g", "t", 0, expected=START, position=Position(1, 0))
    finally:
        os.kill(server.pid, signal.SIGCONT)
    # The lost answer may have been a yes: commit_surely looks before it tries again.
    commit_surely(bus, Patience(), "g", "t", 0, expected=bus.position("g", "t", 0), position=Position(2, 0))
    assert bus.position("g", "t", 0) == Position(2, 0)
    bus.close()


def test_a_commit_whose_answer_was_lost_is_not_made_twice(server: EmbeddedRedis) -> None:
    bus = RedisStreamsBus(server.url, timeout_s=0.3)
    bus.publish(messages(1))
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    wake = threading.Timer(0.8, os.kill, (server.pid, signal.SIGCONT))
    wake.start()
    commit_surely(
        bus,
        Patience(),
        "g",
        "t",
        0,
        expected=START,
        position=Position(3, 0),
        outputs=messages(5, "out"),
        counts={"n": 5},
    )
    wake.join()
    assert len(values(bus, "out")) == 5 and bus.counts() == {"n": 5}
    with pytest.raises(PositionMoved):
        commit_surely(bus, Patience(), "g", "t", 0, expected=START, position=Position(4, 0))
    bus.close()


def test_waiting_ends_when_the_process_shall() -> None:
    bus = RedisStreamsBus("unix:///nowhere/redis.sock")
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    with pytest.raises(Stopped):
        Patience(stop).call(lambda: bus.counts())
    timer.join()


def test_another_number_of_partitions_is_refused(redis_url: str) -> None:
    first, second = RedisStreamsBus(redis_url, partitions=2), RedisStreamsBus(redis_url, partitions=3)
    first.publish(messages(1))
    with pytest.raises(SettingsError, match="written with 2 partitions"):
        second.publish(messages(1))
    first.close()
    second.close()


def test_a_server_without_memory_refuses_and_nothing_is_half_done(redis_url: str) -> None:
    bus = RedisStreamsBus(redis_url)
    bus.publish(messages(1))
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", "100kb")
        try:
            with pytest.raises(BusFull, match="memory"):
                bus.commit("g", "t", 0, expected=START, position=Position(1, 0), outputs=[Message("out", "k", b"x")])
            assert bus.position("g", "t", 0) == START and values(bus, "out") == []
        finally:
            client.config_set("maxmemory", "0")
    bus.close()


def test_the_last_memory_is_for_what_works_the_events_off(server: EmbeddedRedis) -> None:
    bus = RedisStreamsBus(server.url)
    with redis.Redis.from_url(server.url) as client:
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", used + 40_000_000)
        taken = 0
        with pytest.raises(BusFull, match="MB of the"):
            while taken < 1_000_000:
                bus.publish([Message("feedback", "c", b"x" * 1_000)] * 1_000)
                taken += 1_000
                time.sleep(0.02)
        assert taken > 1_000
        with pytest.raises(BusFull, match="RAPPORT_REDIS_MEMORY_MB"):
            bus.commit("g", "t", 0, expected=START, position=Position(1, 0), outputs=[Message("feedback", "c", b"x")])
        # Ingest writes what it has checked, and what it has read is freed.
        at, reader = START, bus.reader("feedback", 0)
        while batch := reader.poll(1_000):
            checked = [Message("feedback.checked", "", b"y" * 500_000, partition=0, events=len(batch))]
            bus.commit("ingest", "feedback", 0, expected=at, position=batch.positions[-1], outputs=checked)
            at = batch.positions[-1]
            bus.trim("feedback", 0, at)
        assert bus.reader("feedback.checked", 0).lag() == taken
        time.sleep(0.3)
        bus.publish([Message("feedback", "c", b"x")])
    bus.close()


def test_an_idle_bus_reads_for_all_readers_at_once(redis_url: str) -> None:
    bus = RedisStreamsBus(redis_url)
    readers = [bus.reader(f"t{i}", 0) for i in range(10)]
    with redis.Redis.from_url(redis_url) as client:
        for reader in readers:
            reader.poll(1)
        client.config_resetstat()
        assert [reader.poll(1) for reader in readers] == [None] * 10
        info: Any = client.info("commandstats")
    assert info["cmdstat_xread"]["calls"] < 10
    bus.close()


def test_open_bus_uses_the_settings(redis_url: str, tmp_path: Path) -> None:
    env = {"RAPPORT_REDIS_URL": redis_url, "RAPPORT_PARTITIONS": "5", "RAPPORT_BUS_MAX_LENGTH": "1000"}
    bus = open_bus(load_settings(env, root=tmp_path))
    assert bus.partitions("t") == 5
    bus.publish(messages(20))
    assert len(values(bus, "t")) == 20


@pytest.fixture
def restless_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless_threads")
def test_threads_that_share_a_bus_get_every_record_once(redis_url: str) -> None:
    bus = RedisStreamsBus(redis_url, partitions=4)
    messages = [Message("feedback", f"c{number}", b"x") for number in range(24_000)]
    bus.publish(messages)
    got: list[list[Position]] = [[] for _ in range(4)]

    def read(partition: int) -> None:
        reader = bus.reader("feedback", partition)
        while True:
            bus.wait(0.001)
            batch = reader.poll(2_000)
            if batch is None and not reader.lag():
                return
            got[partition] += batch.positions if batch else []

    threads = [threading.Thread(target=read, args=(partition,)) for partition in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(map(len, got)) == len(messages)
    for positions in got:
        assert positions == sorted(set(positions))


def test_large_records_are_published_in_several_calls(redis_url: str) -> None:
    """In their order, and all of them or none: whoever reads features gets a turn in between."""
    bus = RedisStreamsBus(redis_url, max_length=200)
    reader = bus.reader("t", 0)
    given = [Message("t", "k", bytes([number % 256]) * (number * 997 % 90_000)) for number in range(60)]
    before = _script_calls(bus)
    bus.publish(given)
    assert _script_calls(bus) - before > 5
    found = reader.poll(1_000)
    assert found is not None and found.values == [message.value for message in given]
    with pytest.raises(BusFull):
        bus.publish([Message("t", "k", b"x" * 90_000)] * 190)
    assert reader.poll(1_000) is None
    bus.close()


def _script_calls(bus: RedisStreamsBus) -> int:
    found = bus._redis.info("commandstats").get("cmdstat_evalsha")
    return int(found["calls"]) if found else 0
