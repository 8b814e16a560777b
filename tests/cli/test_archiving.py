"""`rapport archive …` and `rapport erase`: over a real installation with its flows."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import redis
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.archive import archive
from flows.ingest import ingest
from flows.runtime import Runtime, make_runtime
from rapport.archive import daily
from rapport.bus import START, Message
from rapport.cli.main import run
from rapport.dead_letters import DEAD_LETTERS
from rapport.delivery.deliveries import Deliveries
from rapport.online.keys import KeyMaker
from rapport.settings import load_settings
from rapport.triggers.firing import Firing, to_message

Rapport = Callable[..., Any]
_STORE = """project: shop
provider: local
registry: registry.db
online_store: {type: sqlite, path: online.db}
entity_key_serialization_version: 3
"""


@pytest.fixture
def runtime(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """An installation that the command line finds."""
    (tmp_path / "feature_store.yaml").write_text(_STORE)
    monkeypatch.setenv("RAPPORT_ROOT", str(tmp_path))
    monkeypatch.setenv("RAPPORT_REDIS_URL", redis_url)
    return make_runtime(replace(load_settings(), archive_every_s=0.05))


@pytest.fixture
def rapport(runtime: Runtime, capfd: pytest.CaptureFixture[str]) -> Rapport:
    """Run a command and give what it prints, as JSON where it is."""

    def call(*arguments: str, fails: int = 0) -> Any:
        capfd.readouterr()
        code = run([*arguments])
        out, err = capfd.readouterr()
        assert code == fails, err
        return json.loads(out) if "--json" in arguments and out.startswith(("{", "[")) else out + err

    return call


def _event(number: int, customer: str, day: str = "2025-03-01") -> Message:
    event = {"event_id": f"e{number}", "customer_id": customer, "event_time": f"{day}T12:00:00Z", "csat": 5}
    return Message("feedback", customer, json.dumps(event).encode())


def _flows(runtime: Runtime) -> None:
    for branch in (ingest, archive):
        flow = Dataflow("flow")
        branch(flow, runtime, drain=True)
        run_main(flow)


def _features_have_read(runtime: Runtime) -> None:
    """Stands in for the features flow, which has nothing to do with what is tested here: no view is declared."""
    bus, topic = runtime.bus, "feedback.checked"
    reached, known = bus.position("archive", topic, 0), bus.position("features", topic, 0)
    bus.commit("features", topic, 0, expected=known, position=reached)


def test_versions_are_listed_and_read(runtime: Runtime, rapport: Rapport, tmp_path: Path) -> None:
    for number in (1, 2):
        runtime.bus.publish([_event(number, "anna")])
        _flows(runtime)
    versions = rapport("archive", "versions", "feedback", "--json")
    first, second = [one for one in versions if one["operation"] == "WRITE"]
    to = tmp_path / "was.parquet"
    for as_of, rows in ((str(first["version"]), 1), (second["time"], 2)):
        done = rapport("archive", "read", "feedback", "--as-of", as_of, "--to", str(to), "--json")
        assert done["rows"] == pq.read_metadata(to).num_rows == rows
    assert len(rapport("archive", "files", "feedback").splitlines()) == 2
    assert len(rapport("archive", "files", "feedback", "--as-of", str(first["version"])).splitlines()) == 1
    assert rapport("archive", "compact", "--json") == {"feedback": {"before": 2, "after": 1}}
    assert rapport("archive", "migrate", "--json") == {"feedback": False}
    assert "not kept" in rapport("archive", "read", "feedback", "--as-of", "999", "--to", str(to), fails=3)
    assert "no topic 'clicks'" in rapport("archive", "verify", "clicks", fails=3)


def test_verify_and_dedupe(runtime: Runtime, rapport: Rapport) -> None:
    runtime.bus.publish([_event(1, "anna")])
    _flows(runtime)
    # As after ten minutes: the event is not remembered any more.
    client = redis.Redis.from_url(runtime.settings.redis_url)
    client.delete(*client.scan_iter("rapport:seen:*"))
    runtime = make_runtime(runtime.settings)
    runtime.bus.publish([_event(1, "anna")])
    _flows(runtime)
    (verdict,) = rapport("archive", "verify", "feedback", "--json")
    assert (verdict["rows"], verdict["repeats"], verdict["problems"]) == (2, 1, [])
    assert rapport("archive", "dedupe", "--json") == {"feedback": 1}
    with runtime.archive.snapshot("feedback") as snapshot:
        snapshot.files[0].unlink()
    assert "is gone" in rapport("archive", "verify", fails=8)


def test_retention_by_topic(runtime: Runtime, rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.bus.publish([_event(1, "anna", "2020-01-01"), _event(2, "anna")])
    _flows(runtime)
    assert "everything is kept" in rapport("archive", "retain")
    monkeypatch.setenv("RAPPORT_RETENTION", "feedback=1000")
    (found,) = rapport("archive", "retain", "--dry-run", "--json")["topics"]
    assert (found["topic"], found["rows"]) == ("feedback", 1)
    assert runtime.archive.scan("feedback").num_rows == 2
    reached = runtime.archive.position("feedback", "bus-0")
    assert rapport("archive", "retain", "--json")["topics"][0]["rows"] == 1
    assert runtime.archive.scan("feedback", ["event_id"])["event_id"].to_pylist() == ["e2"]
    assert runtime.archive.position("feedback", "bus-0") == reached
    monkeypatch.setenv("RAPPORT_RETENTION", "feedback")
    assert "RAPPORT_RETENTION" in rapport("archive", "retain", fails=2)


def test_it_is_done_once_a_day(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runtime.bus.publish([_event(1, "anna", "2020-01-01"), _event(2, "anna")])
    _flows(runtime)
    monkeypatch.setenv("RAPPORT_RETENTION", "feedback=1000")
    mark, stop = runtime.archive.locks / "daily", threading.Event()
    thread = threading.Thread(target=daily.watch, args=(runtime.settings, stop), kwargs={"look_s": 0.05})
    thread.start()
    for _ in range(600):
        if mark.exists() or stop.wait(0.1):
            break
    stop.set()
    thread.join()
    assert mark.exists() and runtime.archive.scan("feedback").num_rows == 1
    before = mark.stat().st_mtime
    daily.watch(runtime.settings, _StopsAfter(3), look_s=0.0)  # type: ignore[arg-type]
    assert mark.stat().st_mtime == before


class _StopsAfter(threading.Event):
    """Is set when it was waited for some times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = times

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self._left < 0


def _two_customers(runtime: Runtime) -> tuple[redis.Redis, KeyMaker]:
    """anna and bob, each with a row, two events on the bus, and one that will be refused."""
    client: redis.Redis = redis.Redis.from_url(runtime.settings.redis_url)
    keys = KeyMaker("shop")
    for number, customer in enumerate(("anna", "bob")):
        client.hset(keys.key(customer), "field", "value")
        bad = {"event_id": f"x{number}", "customer_id": customer, "event_time": "2025-03-01T12:00:00Z", "csat": "five"}
        runtime.bus.publish([_event(10 + number, customer), Message("feedback", customer, json.dumps(bad).encode())])
        runtime.bus.publish([_event(20 + number, customer)])
    return client, keys


def test_a_customer_is_erased_everywhere(runtime: Runtime, rapport: Rapport) -> None:
    client, keys = _two_customers(runtime)
    # Nobody has read the bus yet: the customer may come back from there.
    assert "wait on the bus" in rapport("erase", "anna", "--wait", "0", fails=3)
    assert not client.exists(keys.key("anna"))
    _flows(runtime)
    _features_have_read(runtime)
    client.hset(keys.key("anna"), "field", "as the flow would have written it again")
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    for who in ("anna", "bob"):
        firing = Firing(id=who, trigger="t", customer_id=who, moment=moment, fired_at=moment, reason="r", values={})
        Deliveries(client).add([(who, "t", to_message(firing).value)], 0, START, 0)
    assert runtime.archive.scan("feedback").num_rows == 4
    done = rapport("erase", "anna", "--wait", "5", "--json")
    assert (done["unread"], done["online"], done["archived"], done["letters"]) == (0, True, 2, 1)
    assert (done["triggers"], done["deliveries"]) == (0, 1)
    assert not client.exists(keys.key("anna")) and client.exists(keys.key("bob"))
    assert set(runtime.archive.scan("feedback", ["customer_id"])["customer_id"].to_pylist()) == {"bob"}
    left = b"".join(value for key in client.scan_iter("rapport:bus:*") for value in _values(client, key))
    assert b"anna" not in left
    assert client.xlen(runtime.bus.stream(DEAD_LETTERS, 0)) == 1  # type: ignore[attr-defined]
    done = rapport("erase", "anna", "--wait", "5", "--json")
    assert done == {
        "unread": 0,
        "freed": 0,
        "online": False,
        "archived": 0,
        "letters": 0,
        "triggers": 0,
        "deliveries": 0,
    }


def _values(client: redis.Redis, key: bytes) -> list[bytes]:
    if client.type(key) != b"stream":
        return []
    return [part for _, entry in client.xrange(key) for part in entry.values()]


def test_a_killed_erasure_is_finished_by_the_next(runtime: Runtime, rapport: Rapport) -> None:
    """Killed between the commit that removes the rows and the removal of their files: a reader holds it up."""
    client, keys = _two_customers(runtime)
    _flows(runtime)
    _features_have_read(runtime)
    with runtime.archive.snapshot("feedback") as snapshot:
        process = subprocess.Popen([sys.executable, "-m", "rapport.cli", "erase", "anna"])
        deadline_s = time.monotonic() + 60
        while "anna" in runtime.archive.scan("feedback", ["customer_id"])["customer_id"].to_pylist():
            assert time.monotonic() < deadline_s and process.poll() is None
            time.sleep(0.05)
        process.kill()
        process.wait()
        assert all(path.is_file() for path in snapshot.files)
    assert not client.exists(keys.key("anna"))
    done = rapport("erase", "anna", "--json")
    assert (done["archived"], done["letters"]) == (0, 1)
    assert not any(path.exists() for path in snapshot.files)
    assert runtime.archive.scan("feedback", ["customer_id"])["customer_id"].to_pylist() == ["bob", "bob"]
