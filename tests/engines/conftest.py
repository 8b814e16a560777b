"""The sample, as rows that the Bytewax flow made of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.features import features
from flows.runtime import make_runtime
from rapport.embedded import EmbeddedRedis
from rapport.settings import load_settings
from tests.engines.given import PARTITIONS, Sample, by_bytewax_messages, make_sample

BY_BYTEWAX = "by_bytewax"


@pytest.fixture(scope="module")
def sample() -> Sample:
    return make_sample(events_per_topic=1_200)


@pytest.fixture(scope="module")
def client(redis_server: EmbeddedRedis, sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> redis.Redis:
    """The session's Redis, with the rows of project BY_BYTEWAX, made by a real dataflow."""
    connected = redis.Redis.from_url(redis_server.url)
    connected.flushall()
    root: Path = tmp_path_factory.mktemp("bytewax")
    (root / "feature_store.yaml").touch()
    settings = load_settings({"RAPPORT_REDIS_URL": redis_server.url, "RAPPORT_PARTITIONS": str(PARTITIONS)}, root=root)
    runtime = make_runtime(settings)
    runtime.bus.publish(by_bytewax_messages(sample))
    flow = Dataflow("features")
    features(flow, runtime, sample.declared(BY_BYTEWAX), drain=True)
    run_main(flow)
    return connected
