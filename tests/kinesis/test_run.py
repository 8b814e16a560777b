"""Producers with nothing but boto3, workers that are killed, shards that are split and merged, a throttled Kinesis:
nothing lost, nothing counted twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from rapport.bus import Bus, Message, open_bus
from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.settings import load_settings
from rapport.supervisor.declarations import apply_declarations
from rapport.supervisor.lag import lags
from rapport.supervisor.state import Paths
from rapport.testing.kinesis import KinesisServer
from rapport.testing.project import Project
from tests.chaos.producer import Sent
from tests.chaos.verdict import check_archive, check_rows, check_sample, truth_of
from tests.chaos.world import NOW_US, TOPICS, World
from tests.kafka.processes import start_archive, start_worker

_SOURCE = Path(__file__).parents[2]
_EVENTS = 6_000
_PRODUCERS = 3
_PREFIX = "run."


class Producer(threading.Thread):
    """Sends every third chunk, a part of it twice; a record that was refused is sent again, as producers do."""

    def __init__(self, kinesis: KinesisServer, world: World, index: int) -> None:
        super().__init__(daemon=True)
        self._client = kinesis.client()
        self._world = world
        self._index = index
        self.records = 0

    def run(self) -> None:
        for number in range(self._index, self._world.chunks, _PRODUCERS):
            chunk = self._world.chunk(number)
            good = len(chunk.messages) - sum(chunk.refused.values())
            for messages in (chunk.messages, chunk.messages[: good // 3]):
                for topic in TOPICS:
                    self._put(topic, [message for message in messages if message.topic == topic])

    def _put(self, topic: str, messages: list[Message]) -> None:
        left = [{"PartitionKey": message.key or "?", "Data": message.value} for message in messages]
        self.records += len(left)
        while left:
            sent, left = left[:500], left[500:]
            told = self._client.put_records(StreamName=_PREFIX + topic, Records=sent)["Records"]
            left = [record for record, one in zip(sent, told, strict=True) if "ErrorCode" in one] + left


def _until(condition: Any, workers: list[BaseProcess]) -> None:
    deadline_s = time.monotonic() + 240
    while not condition():
        assert all(worker.exitcode is None for worker in workers), "a worker ended by itself"
        assert time.monotonic() < deadline_s, "no progress"
        time.sleep(0.1)


@contextmanager
def _ended(processes: list[BaseProcess]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(20)


def _accepted(bus: Bus) -> int:
    return sum(bus.counts("accepted:").values())


@pytest.mark.slow
def test_nothing_is_lost_or_counted_twice(kinesis: KinesisServer, tmp_path: Path) -> None:
    project = Project(tmp_path, _SOURCE)
    environment = {
        "RAPPORT_ROOT": str(tmp_path),
        "RAPPORT_REDIS_URL": project.redis.url,
        "RAPPORT_BUS_URL": kinesis.bus_url(_PREFIX),
        "RAPPORT_PARTITIONS": "2",
        "RAPPORT_ARCHIVE_EVERY_S": "0.5",
        # The process that others are forked from may be older than these.
        **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
    }
    for topic in TOPICS:
        kinesis.create(_PREFIX + topic, 2)
    world = World(11, _EVENTS, 200)
    try:
        _run(kinesis, project, environment, world, tmp_path)
    finally:
        project.redis.stop()


def _run(kinesis: KinesisServer, project: Project, environment: dict[str, str], world: World, folder: Path) -> None:
    settings = load_settings(environment)
    Paths(project.settings).run.mkdir()
    apply_declarations(project.settings)
    with project.client() as client:
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, NOW_US, 0.0)))
    bus = open_bus(settings)
    producers = [Producer(kinesis, world, index) for index in range(_PRODUCERS)]
    workers = [start_worker(environment, folder / f"worker-{index}.log", index, 2) for index in range(2)]
    archive = start_archive(environment, folder / "archive.log")
    with _ended([*workers, archive]):
        for producer in producers:
            producer.start()
        _until(lambda: _accepted(bus) > 0, workers)
        kinesis.refuse_reads, kinesis.refuse_writes, kinesis.expire_iterators = 10, 500, 2
        kinesis.split(_PREFIX + "customer_clicks", 0)
        kinesis.split(_PREFIX + "purchase_events", 1)
        workers[0].kill()
        workers[0].join()
        workers[0] = start_worker(environment, folder / "worker-0.log", 0, 2)
        _until(lambda: _accepted(bus) > _EVENTS // 3, workers)
        kinesis.merge(_PREFIX + "feedback", 0, 1)
        kinesis.merge(_PREFIX + "customer_clicks", 2, 3)
        workers[1].kill()
        workers[1].join()
        workers[1] = start_worker(environment, folder / "worker-1.log", 1, 2)
        for producer in producers:
            producer.join(120)
            assert not producer.is_alive()
        _until(lambda: _accepted(bus) >= _EVENTS, workers)
        _until(lambda: set(lags(settings).values()) == {0}, workers)
        with _ended(workers):
            pass
    _judge(bus, project, world, sum(producer.records for producer in producers))


def _judge(bus: Bus, project: Project, world: World, produced: int) -> None:
    sent = Sent()
    for number in range(world.chunks):
        for topic, table in world.chunk(number).truth.items():
            sent.truth[topic].append(table)
    dead = bus.counts("dead:")
    assert _accepted(bus) == _EVENTS and _EVENTS + sum(dead.values()) == produced
    assert dead["dead:duplicate"] > 0 and len(dead) > 1
    run: Any = SimpleNamespace(project=project, world=world)
    truth = truth_of(sent)
    rows, found = check_rows(run, truth)
    asked, more = check_sample(run, truth, 20)
    assert [*check_archive(run, truth), *found, *more] == []
    assert rows > 0 and asked > 0
