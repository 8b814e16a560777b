"""Fixtures: real servers on this machine, each in its own folder."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import hypothesis
import pytest

from rapport.embedded import EmbeddedRedis
from rapport.errors import ServiceError
from rapport.settings import disable_telemetry
from tests.order import in_order

_MOCK = "mock"
_NEEDS_A_BROKER = "librdkafka's mock cluster, which tests/kafka/test_mock_*.py use, is not enough for this test"

disable_telemetry()
# Modules of tests import Feast, some of them before anything of Rapport's, which imports it faster.
import_module("rapport.feast")
# A busy machine is slow, which says nothing of what is tested.
hypothesis.settings.register_profile(
    "new-examples", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
# Whether a change passes is not left to chance: other examples each time are for the nightly run.
hypothesis.settings.register_profile("rapport", hypothesis.settings.get_profile("new-examples"), derandomize=True)
hypothesis.settings.load_profile("rapport")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """One Redis for the whole run; a test that stops or freezes a server starts its own."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """The session's Redis, emptied."""
    import redis

    client = redis.Redis.from_url(redis_server.url)
    client.flushall()
    client.close()
    return redis_server.url


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """What a broker is started from; where that cannot be had, or shall not be, the test is skipped."""
    from rapport.testing.kafka import kafka_jars

    if _kafka() == _MOCK:
        pytest.skip(f"RAPPORT_KAFKA={_MOCK}: {_NEEDS_A_BROKER}")
    try:
        return kafka_jars()
    except ServiceError as error:
        pytest.skip(f"no broker can be had here: {error}; {_NEEDS_A_BROKER}")


@pytest.fixture(scope="session")
def kafka_servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker's address: the one that RAPPORT_KAFKA names, or one that is started for this run."""
    from rapport.testing.kafka import KafkaServer

    if _kafka() not in ("", _MOCK):
        yield _kafka()
        return
    with KafkaServer(tmp_path_factory.mktemp("kafka"), request.getfixturevalue("kafka_jars")) as server:
        yield server.bootstrap


@pytest.fixture
def kafka_url(kafka_servers: str) -> str:
    """The address of the session's broker, as RAPPORT_BUS_URL has it."""
    return f"kafka://{kafka_servers}"


@pytest.fixture
def kafka_prefix() -> str:
    """Names of a test's own, so that tests share a broker and nothing else."""
    return f"t{uuid.uuid4().hex[:12]}."


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=int, default=130, help="generated cases of each view in the oracle battery")
    parser.addoption("--oracle-seed", type=int, default=None, help="seed of the oracle battery; default: another one")


def pytest_configure(config: pytest.Config) -> None:
    # Set here, so that all workers of a run share it.
    if config.option.oracle_seed is None:
        config.option.oracle_seed = random.SystemRandom().randrange(1_000_000_000)


# Before xdist's own, which looks for the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = in_order(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    if any(report.nodeid.startswith("tests/oracle/") for report in reports):
        terminalreporter.write_line(f"oracle battery: --oracle-seed {config.option.oracle_seed}")
    for used in sorted({str(used) for report in reports for name, used in report.user_properties if name == "kafka"}):
        terminalreporter.write_line(f"Kafka: {used}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    fixtures = set(getattr(item, "fixturenames", ()))
    if "mock_kafka" in fixtures:
        item.user_properties.append(("kafka", "librdkafka's mock cluster"))
    elif fixtures & {"kafka_jars", "kafka_servers"}:
        given = "kafka_servers" in fixtures and _kafka()
        used = f"the broker of RAPPORT_KAFKA={given}" if given else "a real broker, started for the tests (Maven, Java)"
        item.user_properties.append(("kafka", used))


def _kafka() -> str:
    """Which broker the tests are told to use: an address, "mock" for none, or "" for one of their own."""
    return os.environ.get("RAPPORT_KAFKA", "").removeprefix("kafka://")
