"""A whole installation under a small load, watched by a real Prometheus."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from rapport.bus import Message, open_bus
from rapport.settings import Settings, load_settings
from rapport.supervisor import Wanted, down, up
from rapport.supervisor.installation import METRICS_OFFSET
from rapport.testing.prometheus import PrometheusServer
from rapport.testing.served import free_port
from tests.metrics.dashboards import ALERTS_FILE, PROMETHEUS_FILE
from tests.source_tree import ROOT

__all__ = ["INTERVAL", "Watched", "watched"]

INTERVAL = "1m"
"""The rate interval of the panels' queries."""
_SCRAPE = "2s"


class Watched(NamedTuple):
    """An installation that ran under a load, and the Prometheus that has seen it."""

    settings: Settings
    prometheus: PrometheusServer


@contextlib.contextmanager
def watched(folder: Path, seconds: float, customers: int = 1_000) -> Iterator[Watched]:
    """Start everything, let a simulated world live for some seconds, and give what Prometheus has seen.

    Raises:
        ServiceError: Prometheus cannot be had, or something does not come up.
    """
    data = folder / "data"
    env = {"RAPPORT_ROOT": str(ROOT), "RAPPORT_DATA_DIR": str(data), "RAPPORT_PORT": str(_port())}
    settings = load_settings({**env, "RAPPORT_ARCHIVE_EVERY_S": "1"})
    try:
        up(settings, Wanted(watch=False))
        with PrometheusServer(folder, _config(folder, settings)) as prometheus:
            # The first scrape comes before the load: a rate needs something to count from.
            _until_seen(prometheus)
            _load({**os.environ, **env}, settings, seconds, customers)
            # The newest events are in the archive after a second; the audit takes no more than a few.
            _audit({**os.environ, **env})
            time.sleep(5)
            yield Watched(settings, prometheus)
    finally:
        down(settings)


def _load(env: dict[str, str], settings: Settings, seconds: float, customers: int) -> None:
    """A simulated world, and events that are refused, late, or repeated."""
    argv = [sys.executable, "-m", "rapport.cli", "simulate", "--rate", "3600", "--json"]
    argv += ["--minutes", str(seconds / 60), "--customers", str(customers)]
    with subprocess.Popen(argv, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as living:
        bus = open_bus(settings)
        late = {"event_id": "late", "customer_id": "c-000001", "event_time": "2020-03-01T12:00:00Z", "csat": 3}
        for _ in range(2):
            bus.publish([Message("feedback", "c-000001", json.dumps(late).encode())] * 2)
            bus.publish([Message("feedback", "c-000001", b"no event")] * 2)
            time.sleep(seconds / 3)
        _, said = living.communicate(timeout=600)
        assert living.returncode == 0, said.decode()[-1_000:]


def _audit(env: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "rapport.cli", "audit", "--json"]
    ended = subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr[-1_000:]


def _config(folder: Path, settings: Settings) -> Path:
    """The configuration of deploy/, with this installation's ports, and more often."""
    config = yaml.safe_load(PROMETHEUS_FILE.read_text())
    config["global"] = {"scrape_interval": _SCRAPE, "scrape_timeout": _SCRAPE, "evaluation_interval": _SCRAPE}
    config["rule_files"] = [str(ALERTS_FILE)]
    ports = {"rapport": settings.port + METRICS_OFFSET, "rapport-decisions": settings.port}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def _until_seen(prometheus: PrometheusServer) -> None:
    deadline = time.monotonic() + 180
    while len(prometheus.ask("up == 1")) < 2 or not prometheus.ask("rapport_flow_heartbeat_timestamp_seconds"):
        assert time.monotonic() < deadline, prometheus.get("/api/v1/targets")
        time.sleep(0.5)


def _port() -> int:
    """A free port, of which the one METRICS_OFFSET further is free too."""
    while True:
        port = free_port()
        with socket.socket() as probe:
            if port < 64_000 and probe.connect_ex(("127.0.0.1", port + METRICS_OFFSET)) != 0:
                return port
