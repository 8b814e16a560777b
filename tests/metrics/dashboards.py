"""The dashboards and alerts of deploy/, as data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from tests.source_tree import ROOT

__all__ = ["ALERTS_FILE", "DASHBOARDS", "PROMETHEUS_FILE", "Question", "alerts", "dashboards", "questions"]

DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
PROMETHEUS_FILE = ROOT / "deploy" / "prometheus" / "prometheus.yml"
ALERTS_FILE = ROOT / "deploy" / "prometheus" / "alerts.yml"


class Question(NamedTuple):
    """A query of a panel."""

    dashboard: str
    panel: str
    unit: str
    legend: str
    expression: str


def dashboards() -> dict[str, dict[str, Any]]:
    """The dashboards by their file's name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


def questions(interval: str) -> Iterator[Question]:
    """All queries of all panels, as Grafana would ask them with this rate interval."""
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", interval)
                unit = panel["fieldConfig"]["defaults"]["unit"]
                yield Question(name, panel["title"], unit, target["legendFormat"], expression)


def alerts() -> list[dict[str, Any]]:
    """The alert rules."""
    return [rule for group in yaml.safe_load(ALERTS_FILE.read_text())["groups"] for rule in group["rules"]]
