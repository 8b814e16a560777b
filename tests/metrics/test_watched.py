"""A whole installation, scraped by a real Prometheus: every panel shows something, and every metric is on its page."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from rapport.errors import ServiceError
from rapport.metrics.catalog import AUDIT, FLOW, INSTALLATION
from rapport.metrics.snapshot import read_snapshots, snapshots_folder
from rapport.supervisor import Phase, down, status
from rapport.testing.prometheus import prometheus_program
from rapport.testing.served import wait_for
from tests.metrics.dashboards import alerts, questions
from tests.metrics.watched import INTERVAL, Watched, watched
from tests.ops.processes import belonging_to
from tests.source_tree import ROOT

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    try:
        prometheus_program()
    except ServiceError as error:
        pytest.skip(f"no Prometheus can be had here: {error}")
    with watched(tmp_path_factory.mktemp("watched"), seconds=6) as both:
        yield both


def _shows(seen: Watched, expression: str) -> bool:
    return any(series["value"][1] != "NaN" for series in seen.prometheus.ask(expression))


def test_every_panel_shows_something(seen: Watched) -> None:
    asked = list(questions(INTERVAL))
    assert len(asked) > 40
    empty = [question[:4] for question in asked if not _shows(seen, question.expression)]
    assert not empty


def test_legends_name_labels_that_are_there(seen: Watched) -> None:
    for question in questions(INTERVAL):
        labels = set(re.findall(r"\{\{(\w+)\}\}", question.legend))
        # A stand-in for what has not happened yet has no labels.
        found = [series["metric"].keys() for series in seen.prometheus.ask(question.expression) if series["metric"]]
        assert all(labels <= names for names in found), question


def test_prometheus_has_the_alerts_and_none_fires(seen: Watched) -> None:
    (group,) = seen.prometheus.get("/api/v1/rules")["groups"]
    assert {rule["name"] for rule in group["rules"]} == {alert["alert"] for alert in alerts()}
    assert [rule for rule in group["rules"] if rule["health"] != "ok"] == []
    for rule in group["rules"]:
        assert isinstance(seen.prometheus.ask(rule["query"]), list)
    # What is wrong in the load: the refused events. Nothing of the installation.
    pages = [rule["name"] for rule in group["rules"] if rule["state"] == "firing"]
    assert set(pages) <= {"RapportDeadLetters", "RapportDecisionsSlow"}


def test_figures_are_those_of_the_load(seen: Watched) -> None:
    def total(expression: str) -> float:
        return float(seen.prometheus.ask(f"sum({expression})")[0]["value"][1])

    events = "rapport_flow_events_total"
    ingested = total(f'{events}{{stage="ingest"}}')
    assert total('rapport_flow_dead_letters_total{stage="ingest",reason!="duplicate"}') == 4
    assert total('rapport_flow_dead_letters_total{stage="ingest",reason="duplicate"}') == 3
    assert total(f'{events}{{stage="features"}}') == ingested - 7
    assert total('rapport_flow_delay_seconds_count{stage="ingest"}') == ingested
    assert total('rapport_flow_lateness_seconds_count{stage="ingest"}') == ingested - 7
    late = 'rapport_flow_lateness_seconds_bucket{topic="feedback",le="%s"}'
    assert total(late % "+Inf") - total(late % "2592000.0") == 1


def _suffix(name: str, kind: str) -> str:
    return {"histogram": "_bucket", "counter": "" if name.endswith("_total") else "_total"}.get(kind, "")


@pytest.fixture(scope="module")
def exported(seen: Watched) -> dict[str, tuple[str, set[str]]]:
    """Each metric that both jobs export: its kind, and its labels."""
    metadata = seen.prometheus.get("/api/v1/metadata")
    found = {}
    for name in (name for name in metadata if name.startswith("rapport_")):
        kind = metadata[name][0]["type"]
        series = seen.prometheus.get("/api/v1/series", {"match[]": f"{name}{_suffix(name, kind)}"})
        labels = {label for one in series for label in one} - {"__name__", "job", "instance", "le"}
        # In OpenMetrics' format, which the exporter answers in, a counter goes by its name without the suffix.
        found[name.removesuffix("_total") + "_total" if kind == "counter" else name] = (kind, labels)
    return found


def test_the_page_has_every_metric_with_its_labels(exported: dict[str, tuple[str, set[str]]]) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(rapport_\w+)` \| (\w+) \| ([^|]*) \| [^|]+ \|$", page, flags=re.MULTILINE)
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert exported.keys() <= told.keys()
    for name, (kind, labels) in exported.items():
        assert kind == told[name][0], name
        assert not labels or labels == told[name][1], name


def test_the_page_has_the_catalog() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    for name, described in {**FLOW, **INSTALLATION, **AUDIT}.items():
        shown = name + "_total" if described.kind == "counter" else name
        labels = ", ".join(f"`{label}`" for label in described.labels)
        assert f"| `{shown}` | {described.kind} | {labels} | {described.meaning} |\n" in page


def test_a_hung_flow_is_seen_and_one_that_ends_well_is_forgotten(seen: Watched) -> None:
    state = status(seen.settings)
    assert state
    archive = state.of("archive")
    assert archive
    assert archive.process
    age = 'time() - max(rapport_flow_heartbeat_timestamp_seconds{stage="%s"})'
    os.kill(archive.process.pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + 60
        while float(seen.prometheus.ask(age % "archive")[0]["value"][1]) < 6:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert float(seen.prometheus.ask(age % "features")[0]["value"][1]) < 6
    finally:
        os.kill(archive.process.pid, signal.SIGCONT)
    os.kill(archive.process.pid, signal.SIGTERM)
    folder, started_us = snapshots_folder(seen.settings), archive.started_us
    deadline = time.monotonic() + 60
    while True:
        processes = {process.process: process for process in read_snapshots(folder)}
        if "archive" not in processes or processes["archive"].started_us > started_us + 5_000_000:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_command_prints_what_the_exporter_serves(seen: Watched) -> None:
    ended = _command(seen, "metrics")
    assert ended.returncode == 0, ended.stderr
    assert 'rapport_flow_heartbeat_timestamp_seconds{process="flows",stage="ingest"}' in ended.stdout
    assert 'rapport_lag_events{group="archive"' in ended.stdout
    assert str(seen.settings.data_dir) not in ended.stdout


def test_a_killed_supervisor_leaves_nothing_for_ever(seen: Watched) -> None:
    """The last test of all: it ends the installation."""
    running = status(seen.settings)
    assert running
    process = psutil.Process(running.supervisor.pid)
    process.kill()
    wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "still there")
    left = status(seen.settings)
    assert left
    assert left.phase is Phase.FAILED
    said = _command(seen, "status", "--json")
    assert said.returncode == 5
    assert "supervisor is gone" in json.loads(said.stdout)["note"]
    assert down(seen.settings)
    assert status(seen.settings) is None
    assert belonging_to(seen.settings) == []
    assert not down(seen.settings)


def _command(seen: Watched, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "RAPPORT_ROOT": str(ROOT), "RAPPORT_DATA_DIR": str(seen.settings.data_dir)}
    argv = [sys.executable, "-m", "rapport.cli", *arguments]
    return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)
