"""A whole installation in production, over TLS: commands with their key, metrics for Prometheus, and logs of all
processes that name nobody."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from rapport.events.schema import TOPICS
from rapport.settings import Settings, load_settings
from rapport.supervisor import Health, Wanted, down, up
from rapport.supervisor.installation import METRICS_OFFSET
from rapport.supervisor.lag import lags
from rapport.testing.certificates import make_certificates
from rapport.testing.served import wait_for
from tests.source_tree import ROOT

CANARY, SAID = "canary-3b1e77", "my secret is okapi-90c4, this is terrible"
SCOPES = ("decide", "events:write", "feedback:write", "metrics:read", "admin")
EVENTS: dict[str, dict[str, Any]] = {
    "customer_clicks": {"action": "cart_add", "product_id": CANARY, "price": "2.55", "currency": "GBP"},
    "purchase_events": {"action": "order", "order_id": CANARY, "amount": "9.90", "currency": "EUR", "quantity": 1},
    "support_tickets": {"ticket_id": CANARY, "action": "opened"},
    "chat_messages": {"conversation_id": CANARY, "text": SAID, "role": "customer"},
    "feedback": {"csat": 2, "conversation_id": CANARY},
}


def _six_free_ports() -> int:
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first < 64_000 and all(_is_free(first + offset) for offset in range(6)):
            return first
    raise RuntimeError("no six neighbouring ports are free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("production")
    certificates = make_certificates(folder)
    port = _six_free_ports()
    return {
        "RAPPORT_ROOT": str(ROOT),
        "RAPPORT_DATA_DIR": str(folder / "data"),
        "RAPPORT_MODE": "production",
        "RAPPORT_PORT": str(port),
        "RAPPORT_TLS_CERT_FILE": str(certificates.server),
        "RAPPORT_TLS_KEY_FILE": str(certificates.server),
        "RAPPORT_SERVICE_URL": f"https://localhost:{port}",
        "RAPPORT_SERVICE_CA_FILE": str(certificates.authority),
        "RAPPORT_SERVICE_KEY_FILE": str(folder / "all.key"),
    }


@pytest.fixture(scope="module")
def settings(environment: dict[str, str]) -> Iterator[Settings]:
    settings = load_settings(environment)
    scopes = [part for scope in SCOPES for part in ("--scope", scope)]
    made = command(environment, "keys", "create", "all", *scopes, "--to", settings.service_key_file)
    assert made.returncode == 0, made.stderr
    yield settings
    down(settings)


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "rapport.cli", *arguments]
    return subprocess.run(
        argv, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


@pytest.mark.timeout(600)
def test_an_installation_in_production(settings: Settings, environment: dict[str, str]) -> None:
    state = up(settings, Wanted(watch=False))
    assert all(service.health is Health.OK for service in state.services)
    addresses = {service.name: service.address for service in state.services}
    assert addresses["service"].startswith("https://") and addresses["metrics"].startswith("https://")
    key = Path(settings.service_key_file).read_text().strip()
    trust = ssl.create_default_context(cafile=settings.service_ca_file)
    with httpx.Client(verify=trust, trust_env=False, timeout=20, headers={"Authorization": f"Bearer {key}"}) as http:
        _send_canaries(http, settings)
        _read_metrics(http, settings)
        assert httpx.get(f"{settings.service_url}/readyz", verify=trust, trust_env=False).json().keys() == {
            "ready",
            "status",
        }
    decided = command(environment, "decide", CANARY, "--message", SAID, "--json")
    assert decided.returncode == 0, decided.stderr
    refused = command({**environment, "RAPPORT_SERVICE_KEY_FILE": ""}, "decide", CANARY)
    assert refused.returncode == 5 and "send an API key or a token" in refused.stderr
    wait_for(lambda: not any(lags(settings).values()), "the flows do not catch up", 60)
    time.sleep(1.0)
    down(settings)
    _look_for_canaries(settings, key)


def _send_canaries(http: httpx.Client, settings: Settings) -> None:
    assert set(EVENTS) == set(TOPICS)
    for topic, fields in EVENTS.items():
        one = {"event_id": f"{CANARY}-{topic}", "customer_id": CANARY, "event_time": datetime.now(UTC).isoformat()}
        bad = [{**one, **fields, SAID: 1}, {**one, **fields, "event_time": SAID}, {"customer_id": CANARY}, SAID]
        answer = http.post(f"{settings.service_url}/events", json={"topic": topic, "events": [{**one, **fields}, *bad]})
        assert answer.status_code == 202, answer.text
        assert (answer.json()["accepted"], answer.json()["refused"]) == (1, len(bad))
    body = {"customer_id": CANARY, "session_data": {"message": SAID}}
    decided = http.post(f"{settings.service_url}/personalize", json=body)
    assert decided.status_code == 200, decided.text
    said = {"customer_id": CANARY, "decision_id": decided.json()["decision_id"], "csat": 1}
    assert http.post(f"{settings.service_url}/feedback", json=said).status_code == 202


def _read_metrics(http: httpx.Client, settings: Settings) -> None:
    for port, name in (
        (settings.own_admin_port, "rapport_decisions_total"),
        (settings.port + METRICS_OFFSET, "rapport_bus_up"),
    ):
        address = f"https://localhost:{port}/metrics"
        assert name in http.get(address).text
        assert http.get(address, headers={"Authorization": "Bearer x"}).status_code == 401


def _look_for_canaries(settings: Settings, key: str) -> None:
    logs = [*settings.data_dir.glob("logs/*"), *settings.data_dir.glob("redis/*.log")]
    assert {"service", "flows", "archive", "metrics", "supervisor"} <= {path.stem for path in logs}
    planted = [CANARY, SAID, "okapi-90c4", key.rpartition("_")[2]]
    assert not [(path.name, text) for path in logs for text in planted if text in path.read_text(errors="replace")]
