"""Each alert fires when it should and not otherwise, as `promtool` computes it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rapport.errors import ServiceError
from rapport.testing.prometheus import prometheus_program
from tests.metrics.dashboards import ALERTS_FILE, PROMETHEUS_FILE, alerts
from tests.source_tree import ROOT

BEAT = "rapport_flow_heartbeat_timestamp_seconds"
DELAY = "rapport_flow_delay_seconds_bucket"
STAGES = ("ingest", "features", "archive")

Series = dict[str, str]
"""Series to values, one a minute, in promtool's notation."""


def delays(stage: str, limit: str) -> Series:
    """A hundred events a minute that took up to `limit` seconds, and more than half of it."""
    limits = ["0.5", "1.0", "60.0", "300.0", "+Inf"]
    return {
        f'{DELAY}{{stage="{stage}",le="{le}"}}': "0x40" if float(le) < float(limit) else "0+100x40" for le in limits
    }


def decisions(limit: str) -> Series:
    limits = ["0.025", "0.05", "0.1", "0.25", "+Inf"]
    return {
        f'rapport_decision_seconds_bucket{{le="{le}"}}': "0x40" if float(le) < float(limit) else "0+100x40"
        for le in limits
    }


def beats(*stages: str, values: str = "0+60x40") -> Series:
    return {f'{BEAT}{{process="flows",stage="{stage}"}}': values for stage in stages}


CASES: dict[str, tuple[Series, Series]] = {
    "RapportUnseen": ({'up{job="rapport",instance="a"}': "0x40"}, {'up{job="rapport",instance="a"}': "1x40"}),
    "RapportNoFlow": (beats("ingest", "features"), beats(*STAGES)),
    "RapportNoHeartbeat": (beats(*STAGES, values="0+60x10 600x30"), beats(*STAGES)),
    "RapportServiceDown": ({'rapport_service_up{service="a"}': "0x40"}, {'rapport_service_up{service="a"}': "1x40"}),
    "RapportRestarts": (
        {'rapport_service_restarts_total{service="a"}': "0+1x40"},
        {'rapport_service_restarts_total{service="a"}': "0x20 1x20"},
    ),
    "RapportStoreDown": (
        {"rapport_bus_up": "1x40", "rapport_redis_up": "0x40"},
        {"rapport_bus_up": "1x40", "rapport_redis_up": "1x40"},
    ),
    "RapportLagGrowing": (
        {'rapport_lag_events{group="ingest",topic="a",partition="0"}': "0+2000x40"},
        {
            'rapport_lag_events{group="ingest",topic="a",partition="0"}': "90000-2000x40",
            'rapport_lag_events{group="archive",topic="a",partition="0"}': "0+10x40",
        },
    ),
    "RapportProducersRefused": (
        {'rapport_http_answers_total{path="/events",status="429"}': "0+10x40"},
        {
            'rapport_http_answers_total{path="/events",status="202"}': "0+900x40",
            'rapport_http_answers_total{path="/events",status="429"}': "0x20 5x20",
        },
    ),
    "RapportFeaturesLate": (delays("features", "60.0"), delays("features", "0.5")),
    "RapportArchiveBehind": (delays("archive", "300.0"), delays("archive", "60.0")),
    "RapportDeadLetters": (
        {
            'rapport_flow_events_total{stage="ingest"}': "0+100x40",
            'rapport_flow_dead_letters_total{reason="bad_value"}': "0+10x40",
        },
        {
            'rapport_flow_events_total{stage="ingest"}': "0+100x40",
            'rapport_flow_dead_letters_total{reason="bad_value"}': "0+1x40",
            'rapport_flow_dead_letters_total{reason="duplicate"}': "0+50x40",
        },
    ),
    "RapportAuditAlarms": (
        {'rapport_audit_findings{topic="a",check="missing",severity="alarm"}': "0x9 1x30"},
        {
            'rapport_audit_findings{topic="a",check="missing",severity="alarm"}': "0x40",
            'rapport_audit_findings{topic="a",check="missing",severity="warning"}': "3x40",
        },
    ),
    "RapportAuditOld": (
        {"rapport_audit_timestamp_seconds": "-180000x40"},
        {"rapport_audit_timestamp_seconds": "0x40"},
    ),
    "RapportRowsDamaged": (
        {'rapport_online_rows_total{result="damaged",topic="a"}': "0x29 1x10"},
        {'rapport_online_rows_total{result="written",topic="a"}': "0+9x40"},
    ),
    "RapportRowsFenced": (
        {'rapport_online_rows_total{result="fenced",topic="a"}': "0+1x40"},
        {'rapport_online_rows_total{result="fenced",topic="a"}': "0x29 1x10"},
    ),
    "RapportRedisMemory": (
        {"rapport_redis_memory_bytes": "9x40", "rapport_redis_memory_limit_bytes": "10x40"},
        {"rapport_redis_memory_bytes": "7x40", "rapport_redis_memory_limit_bytes": "10x40"},
    ),
    "RapportDiskLow": (
        {"rapport_disk_free_bytes": "5x40", "rapport_disk_bytes": "100x40"},
        {"rapport_disk_free_bytes": "50x40", "rapport_disk_bytes": "100x40"},
    ),
    "RapportDecisionsDegraded": (
        {"rapport_decisions_total": "0+100x40", 'rapport_decisions_degraded_total{cause="a"}': "0+20x40"},
        {"rapport_decisions_total": "0+100x40", 'rapport_decisions_degraded_total{cause="a"}': "0+5x40"},
    ),
    "RapportStoreLeftAlone": (
        {"rapport_feature_store_circuit_open": "1x40"},
        {"rapport_feature_store_circuit_open": "0x20 1x0 0x20"},
    ),
    "RapportOverloaded": (
        {"rapport_decisions_total": "0+100x40", 'rapport_decisions_degraded_total{cause="overloaded"}': "0+5x40"},
        {"rapport_decisions_total": "0+100x40", 'rapport_decisions_degraded_total{cause="no_consent"}': "0+5x40"},
    ),
    "RapportDecisionsSlow": (decisions("0.1"), decisions("0.05")),
    "RapportDecisionsLost": (
        {"rapport_decision_log_dropped_total": "0x29 1x10"},
        {"rapport_decision_log_dropped_total": "0x40"},
    ),
}


@pytest.fixture(scope="module")
def promtool() -> Path:
    try:
        return prometheus_program("promtool")
    except ServiceError as error:
        pytest.skip(f"no promtool can be had here: {error}")


def _run(promtool: Path, *arguments: str) -> None:
    ended = subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_rules_and_configuration_are_sound(promtool: Path) -> None:
    _run(promtool, "check", "rules", str(ALERTS_FILE))
    _run(promtool, "check", "config", str(PROMETHEUS_FILE))


def _case(name: str, series: Series, fires: bool) -> dict[str, Any]:
    expected = [{"labels": "{}", "value": 1}] if fires else []
    return {
        "name": f"{name} {'fires' if fires else 'is quiet'}",
        "interval": "1m",
        "input_series": [{"series": series_name, "values": values} for series_name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'group(ALERTS{{alertname="{name}",alertstate="firing"}})',
                "eval_time": "30m",
                "exp_samples": expected,
            }
        ],
    }


def test_each_alert_fires_when_it_should_and_not_otherwise(promtool: Path, tmp_path: Path) -> None:
    assert CASES.keys() == {alert["alert"] for alert in alerts()}
    cases = [
        _case(name, series, fires)
        for name, both in CASES.items()
        for fires, series in zip((True, False), both, strict=True)
    ]
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS_FILE)], "evaluation_interval": "1m", "tests": cases}))
    _run(promtool, "test", "rules", str(file))


def test_each_alert_says_who_and_what_to_do() -> None:
    headings = [line for line in (ROOT / "docs" / "operations.md").read_text().splitlines() if line.startswith("#")]
    anchors = {_anchor(heading) for heading in headings}
    for alert in alerts():
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in anchors, alert["alert"]
        assert alert["annotations"]["summary"]
        assert alert["labels"]["severity"] in ("page", "ticket")


def _anchor(heading: str) -> str:
    words = heading.lstrip("#").strip().lower()
    return "".join(letter for letter in words if letter.isalnum() or letter in " -").replace(" ", "-")
