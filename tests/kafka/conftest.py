"""An installation whose bus is Kafka, beside a Redis for the rows and the memory of event ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.runtime import Runtime
from tests.runtimes import MakeRuntime, runtimes


@pytest.fixture
def environment(redis_url: str, kafka_url: str, kafka_prefix: str, tmp_path: Path) -> dict[str, str]:
    """The settings of the installation."""
    (tmp_path / "feature_store.yaml").touch()
    return {
        "RAPPORT_ROOT": str(tmp_path),
        "RAPPORT_REDIS_URL": redis_url,
        "RAPPORT_BUS_URL": kafka_url,
        "RAPPORT_KAFKA_PREFIX": kafka_prefix,
        "RAPPORT_ARCHIVE_EVERY_S": "0.05",
    }


@pytest.fixture
def make_runtime_(environment: dict[str, str]) -> Iterator[MakeRuntime]:
    """Gives runtimes of the installation; arguments are settings."""
    with runtimes(environment) as make:
        yield make


@pytest.fixture
def runtime(make_runtime_: MakeRuntime) -> Runtime:
    return make_runtime_()
