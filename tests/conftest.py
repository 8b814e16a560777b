"""Fixtures: real servers on this machine, each in its own folder."""

from __future__ import annotations

import random
from collections.abc import Iterator

import hypothesis
import pytest

from rapport.embedded import EmbeddedRedis
from rapport.settings import disable_telemetry

disable_telemetry()
# A busy machine is slow, which says nothing of what is tested.
hypothesis.settings.register_profile(
    "rapport", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=int, default=130, help="generated cases of each view in the oracle battery")
    parser.addoption("--oracle-seed", type=int, default=None, help="seed of the oracle battery; default: another one")


def pytest_configure(config: pytest.Config) -> None:
    # Set here, so that all workers of a run share it.
    if config.option.oracle_seed is None:
        config.option.oracle_seed = random.SystemRandom().randrange(1_000_000_000)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    if any(report.nodeid.startswith("tests/oracle/") for report in reports):
        terminalreporter.write_line(f"oracle battery: --oracle-seed {config.option.oracle_seed}")
