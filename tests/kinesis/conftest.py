"""An installation whose raw topics are on Kinesis (moto's server), beside a Redis for everything else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.runtime import Runtime
from rapport.bus.kinesis import KinesisBus
from rapport.events.schema import TOPICS
from rapport.testing.kinesis import KinesisServer
from tests.runtimes import MakeRuntime, runtimes


@pytest.fixture(scope="package")
def kinesis() -> Iterator[KinesisServer]:
    with KinesisServer() as server:
        yield server


@pytest.fixture
def prefix(kinesis: KinesisServer) -> Iterator[str]:
    """Of the names of a test's own streams. They have one shard each, feedback two."""
    prefix = f"t{uuid.uuid4().hex[:12]}."
    for topic in TOPICS:
        kinesis.create(prefix + topic, 2 if topic == "feedback" else 1)
    yield prefix
    kinesis.refuse_reads = kinesis.refuse_writes = kinesis.expire_iterators = 0
    for topic in TOPICS:
        kinesis.client().delete_stream(StreamName=prefix + topic)


@pytest.fixture
def make_runtime_(kinesis: KinesisServer, prefix: str, redis_url: str, tmp_path: Path) -> Iterator[MakeRuntime]:
    """Gives runtimes of the installation; arguments are settings."""
    (tmp_path / "feature_store.yaml").touch()
    environment = {
        "RAPPORT_ROOT": str(tmp_path),
        "RAPPORT_REDIS_URL": redis_url,
        "RAPPORT_BUS_URL": kinesis.bus_url(prefix),
        "RAPPORT_PARTITIONS": "2",
    }
    with runtimes(environment) as make:
        yield make


@pytest.fixture
def runtime(make_runtime_: MakeRuntime) -> Runtime:
    return make_runtime_()


@pytest.fixture
def bus(runtime: Runtime) -> KinesisBus:
    assert isinstance(runtime.bus, KinesisBus)
    return runtime.bus
