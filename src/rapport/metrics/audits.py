"""The newest audit as Prometheus metrics: a text file beside the reports, which the exporter adds to its answer.

A file, so that the exporter needs nothing of what an audit needs, and says after a restart what it said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from rapport.metrics.catalog import AUDIT
from rapport.metrics.families import add_value, empty

if TYPE_CHECKING:
    from rapport.audit import AuditReport

__all__ = ["FIGURES_FILE", "audit_families", "write_figures"]

FIGURES_FILE = "metrics.prom"
"""Name of the file, in Prometheus's text format; replaced whole."""

Values = dict[str, dict[tuple[str, ...], float | None]]


def write_figures(folder: Path, report: AuditReport) -> None:
    """Write the figures of an audit into its folder, for audit_families."""
    registry = CollectorRegistry()
    registry.register(_Figures(_values(report)))
    write_to_textfile(str(folder / FIGURES_FILE), registry)


def audit_families(folder: Path) -> list[Metric]:
    """The figures of the newest audit in a folder; none without one."""
    try:
        return list(text_string_to_metric_families((folder / FIGURES_FILE).read_text()))
    except (OSError, ValueError):
        return []


class _Figures(Collector):
    def __init__(self, values: Values) -> None:
        self._values = values

    def collect(self) -> Iterator[Metric]:
        """The metrics of AUDIT; one without a value is left out."""
        for name, described in AUDIT.items():
            family = empty(name, described)
            for labels, value in self._values.get(name, {}).items():
                if value is not None:
                    add_value(family, labels, value)
            if family.samples:
                yield family


def _values(report: AuditReport) -> Values:
    topics = {one.topic: one for one in report.topics}
    kinds = ("repeats", "conflicts", "twins")
    return {
        "rapport_audit_timestamp_seconds": {(): report.made_us / 1e6},
        "rapport_audit_seconds": {(): report.seconds},
        "rapport_audit_findings": _findings(report),
        "rapport_audit_new_findings": {
            (topic,): sum(one.topic == topic and one.status == "new" for one in report.findings) for topic in topics
        },
        "rapport_audit_learning": {(topic,): float(bool(one.learning)) for topic, one in topics.items()},
        "rapport_audit_events": {(topic,): one.rows for topic, one in topics.items()},
        "rapport_audit_last_week_events": {(topic,): one.last_week for topic, one in topics.items()},
        "rapport_audit_missing_share": {
            (topic, field.name): field.missing for topic, one in topics.items() for field in one.fields
        },
        "rapport_audit_refused_share": _refused(report),
        "rapport_audit_duplicate_share": {
            (topic, kind): getattr(one.duplicates, kind) for topic, one in topics.items() for kind in kinds
        },
        "rapport_audit_late_share": {(topic,): one.late for topic, one in topics.items()},
        "rapport_audit_ahead_share": {(topic,): one.ahead for topic, one in topics.items()},
    }


def _findings(report: AuditReport) -> dict[tuple[str, ...], float | None]:
    """Also those that are none: an alert on what has ended ends."""
    counts = Counter((one.topic, one.check, one.severity) for one in report.findings)
    from rapport.audit.findings import CHECKS, SEVERITIES

    topics = dict.fromkeys([one.topic for one in report.topics] + [one.topic for one in report.findings])
    return {labels: counts[labels] for labels in product(topics, CHECKS, SEVERITIES)}


def _refused(report: AuditReport) -> dict[tuple[str, ...], float | None]:
    shares: dict[tuple[str, ...], float | None] = {}
    for one in report.topics:
        counts: Counter[str] = Counter()
        for refused in one.refused:
            counts[refused.reason] += refused.now
        whole = one.rows + counts.total()
        shares |= {(one.topic, reason): rows / whole for reason, rows in counts.items() if whole}
    return shares
