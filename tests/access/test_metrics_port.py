"""The flows' metrics in production: over TLS, to those who may read them."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rapport.access import KeyFile, create_key, keys_path
from rapport.metrics.exporter import serve
from rapport.settings import Settings, load_settings
from rapport.supervisor.installation import METRICS_OFFSET
from rapport.testing.certificates import Certificates, make_certificates
from rapport.testing.served import free_port, wait_for


@pytest.fixture
def files(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path)


@pytest.fixture
def settings(tmp_path: Path, files: Certificates, redis_url: str) -> Iterator[Settings]:
    given = {"MODE": "production", "TLS_CERT_FILE": "server.pem", "TLS_KEY_FILE": "server.pem", "REDIS_URL": redis_url}
    env = {f"RAPPORT_{name}": value for name, value in given.items()}
    made = load_settings({**env, "RAPPORT_PORT": str(free_port() - METRICS_OFFSET)}, root=tmp_path)
    create_key(KeyFile(keys_path(made)), "first", ["decide"], time.time_ns() // 1_000)
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(made, stop))
    thread.start()
    yield made
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_only_who_may_read_metrics_does(settings: Settings, files: Certificates) -> None:
    url = f"https://localhost:{settings.port + METRICS_OFFSET}"
    trust = ssl.create_default_context(cafile=files.authority)
    with httpx.Client(base_url=url, verify=trust, trust_env=False, timeout=10) as http:
        wait_for(lambda: _answers(http), "the metrics are not served", 30)
        asked = http.get("/metrics")
        assert asked.status_code == 401 and asked.json()["error"]["reason"] == "missing_credential"
        assert asked.headers["www-authenticate"].startswith("Bearer")
        file, now_us = KeyFile(keys_path(settings)), time.time_ns() // 1_000
        for scope, status in (("decide", 403), ("metrics:read", 200)):
            _, text = create_key(file, scope, [scope], now_us)
            answer = http.get("/metrics", headers={"Authorization": f"Bearer {text}"})
            assert answer.status_code == status, answer.text
        assert "rapport_bus_up" in answer.text


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/metrics").status_code > 0
    except httpx.HTTPError:
        return False
